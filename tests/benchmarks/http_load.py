"""A load generator in a process of its own: keep-alive connections that ask again and again.

usage: http_load.py PORT PATH CONNECTIONS REQUESTS; prints the seconds it took.
"""

import asyncio
import sys
import time


async def main(port: int, path: str, connections: int, requests: int) -> float:
    """Send `requests` GETs over `connections` connections; give the seconds from first to last.

    Raises RuntimeError for an answer that is not 200.
    """
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n"
    ).encode()
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    left = requests

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 200"):
                message = f"expected 200, found {head[:40]!r}"
                raise RuntimeError(message)
            length = head.split(b"content-length:")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(ask(*stream) for stream in streams))
    return time.perf_counter() - begun


if __name__ == "__main__":
    port_text, path_text, connections_text, requests_text = sys.argv[1:]
    print(  # noqa: T201
        asyncio.run(main(int(port_text), path_text, int(connections_text), int(requests_text)))
    )
