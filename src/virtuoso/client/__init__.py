"""A typed client of a running Virtuoso: documents over HTTP, and the socket.

client     `Client`: the documents, and `follow`
held       what of a connection is held, and whether a message follows it
board      `Board`: the newest of every symbol, with true ages

The messages are the structs of `virtuoso.wire`, the very ones the server encodes.
"""

from virtuoso.client.board import Board
from virtuoso.client.client import Client, Connected, Disconnected, Event
from virtuoso.wire.client import Subscribe

__all__ = ["Board", "Client", "Connected", "Disconnected", "Event", "Subscribe"]
