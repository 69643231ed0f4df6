"""Many sockets in a process of its own that subscribe, then read and throw away.

usage: socket_readers.py PORT CLIENTS HZ SYMBOL,SYMBOL,...
Prints `ready` when all have subscribed; each has ten of the symbols.
"""

import json
import os
import random
import resource
import selectors
import socket
import sys


def a_text(text: bytes) -> bytes:
    """A masked text frame; the mask is zero."""
    size = len(text)
    head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE, size >> 8, size & 255))
    return head + bytes(4) + text


def opened(port: int, symbols: list[str], hz: float) -> socket.socket:
    """Connect, shake hands, subscribe."""
    client = socket.create_connection(("127.0.0.1", port))
    head = (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    client.sendall(head.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += client.recv(65_536)
    said: dict[str, object] = {"type": "subscribe", "symbols": symbols}
    if hz:
        said["hz"] = hz
    client.sendall(a_text(json.dumps(said).encode()))
    client.setblocking(False)  # noqa: FBT003
    return client


def main(port: int, clients: int, hz: float, symbols: list[str]) -> None:
    """Read until killed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * clients)), hard))
    rng = random.Random(7)  # noqa: S311
    selector = selectors.EpollSelector()
    for _ in range(clients):
        client = opened(port, rng.sample(symbols, 10), hz)
        selector.register(client, selectors.EVENT_READ)
    print("ready", flush=True)  # noqa: T201
    buffer = bytearray(1 << 20)
    parent = os.getppid()
    while os.getppid() == parent:
        for key, _ in selector.select(1):
            chosen = key.fileobj
            if isinstance(chosen, socket.socket) and not chosen.recv_into(buffer):
                selector.unregister(chosen)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4].split(","))
