"""A load generator in a process of its own: keep-alive connections that ask again and again.

usage: http_load.py [--match ETAG] PATH CONNECTIONS REQUESTS TURNS PORT PORT ...
Loads the ports in turns and prints a line a turn: the seconds each port took, in the order given.
"""

import asyncio
import sys
import time

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def load(streams: list[Stream], request: bytes, requests: int) -> float:
    """Send `requests` GETs over the connections; give the seconds from first to last.

    Raises RuntimeError for an answer that is neither 200 nor 304.
    """
    left = requests

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if head.startswith(b"http/1.1 304"):
                continue
            if not head.startswith(b"http/1.1 200"):
                message = f"expected 200 or 304, found {head[:40]!r}"
                raise RuntimeError(message)
            length = head.split(b"content-length:")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))

    begun = time.perf_counter()
    await asyncio.gather(*(ask(*stream) for stream in streams))
    return time.perf_counter() - begun


async def main(
    path: str, connections: int, requests: int, turns: int, ports: list[int], match: str = ""
) -> None:
    """Load the ports in turns, every second turn the other way round; the first one warms up."""
    streams = {
        port: [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
        for port in ports
    }
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1:8003", "Accept: application/json"]
    lines += [f"If-None-Match: {match}", "", ""] if match else ["", ""]
    request = "\r\n".join(lines).encode()
    for turn in range(turns + 1):
        order = ports if turn % 2 else ports[::-1]
        took = {port: await load(streams[port], request, requests) for port in order}
        if turn:
            print(*(took[port] for port in ports))  # noqa: T201
    for each in streams.values():
        for _, writer in each:
            writer.close()


if __name__ == "__main__":
    words = sys.argv[1:]
    tag = words[1] if words[0] == "--match" else ""
    path_text, *numbers = words[2:] if tag else words
    connection_count, request_count, turn_count, *port_numbers = map(int, numbers)
    asyncio.run(main(path_text, connection_count, request_count, turn_count, port_numbers, tag))
