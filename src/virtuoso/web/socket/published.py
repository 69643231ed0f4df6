"""Documents of the engine as messages: read when they were written, made once for all readers."""

import asyncio
from collections.abc import Callable, Collection

import msgspec

from virtuoso.domain.instruments import Symbol
from virtuoso.web.socket.client import OVERVIEW, SIGNALS, Client
from virtuoso.web.socket.line import frame
from virtuoso.web.socket.signals import Signals
from virtuoso.web.views import overview_of
from virtuoso.wire import keys
from virtuoso.wire.client import DetailChanged, OverviewChanged
from virtuoso.wire.documents import Served
from virtuoso.wire.follower import Follower


class _Reasons(msgspec.Struct):
    reasons: tuple[str, ...] = ()


class Published:
    """Keeps the newest message of each document that a client asked for."""

    def __init__(self, follower: Follower, changed: Callable[[Collection[Client]], None]) -> None:
        """`changed` is told who has something new to be sent."""
        self.signals = Signals()
        self._follower = follower
        self._changed = changed
        self._readers: dict[str, set[Client]] = {}
        self._frames: dict[str, bytes] = {}
        self._bodies: dict[str, tuple[int, bytes]] = {}
        self._due: set[str] = set()
        self._reading: asyncio.Task[None] | None = None

    def frame_of(self, name: str) -> bytes | None:
        """The newest message of a document; None while it is being read."""
        return self._frames.get(name)

    def follow(self, client: Client, names: Collection[str]) -> None:
        """Let this client have these documents, and no others."""
        for name in [name for name, readers in self._readers.items() if client in readers]:
            if name not in names:
                self._readers[name].discard(client)
                if not self._readers[name]:
                    del self._readers[name]
                    self._frames.pop(name, None)
                    self._bodies.pop(name, None)
                    if name == SIGNALS:
                        self.signals.forget()
        for name in names:
            self._readers.setdefault(name, set()).add(client)
        self.ask(names)

    def written(self, written: Collection[str]) -> None:
        """These cache keys hold something new."""
        self.ask([name for name in self._readers if _key(name) in written])

    def look_again(self) -> None:
        """Nobody announces anything: read all that is asked for."""
        self.ask(self._readers)

    def ask(self, names: Collection[str]) -> None:
        """Read these soon, one after the other."""
        self._due.update(names)
        if self._due and self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    async def close(self) -> None:
        """Read nothing more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while self._due:
                name = self._due.pop()
                self._take(name, await self._follower.document(_key(name)))
        finally:
            self._reading = None

    def _take(self, name: str, served: Served) -> None:
        readers = self._readers.get(name)
        if readers is None or self._bodies.get(name) == (served.status, served.body):
            return
        self._bodies[name] = (served.status, served.body)
        if name == SIGNALS:
            self.signals.take(served)
        else:
            self._frames[name] = frame(_message(name, served))
        self._changed(readers)


def _key(name: str) -> str:
    if name == SIGNALS:
        return keys.SIGNALS
    return keys.DASHBOARD if name == OVERVIEW else keys.symbol_detail(Symbol(name))


def _message(name: str, served: Served) -> bytes:
    """The document inside its message; its own bytes are not decoded for that."""
    if name == OVERVIEW:
        start: dict[str, object] = {"type": OverviewChanged.__struct_config__.tag}
    else:
        start = {"type": DetailChanged.__struct_config__.tag, "symbol": name}
    data = msgspec.Raw(served.body)
    reasons: tuple[str, ...] = ()
    if served.status != 200:
        data = msgspec.Raw(b"null")
        reasons = msgspec.json.decode(served.body, type=_Reasons).reasons
    elif name == OVERVIEW:
        data = msgspec.Raw(overview_of(served.body))
    return msgspec.json.encode({**start, "data": data, "reasons": reasons})
