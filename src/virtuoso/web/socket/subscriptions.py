"""What a client may ask for, and what its subscription becomes."""

from typing import Protocol

from virtuoso.domain.errors import UnknownSymbolError
from virtuoso.domain.instruments import parse_symbol
from virtuoso.web.options import WebOptions
from virtuoso.web.socket.alerts import Alerts
from virtuoso.web.socket.client import OVERVIEW, SIGNALS, Client
from virtuoso.web.socket.conversation import ErrorCode, RequestError
from virtuoso.web.socket.projection import Fields
from virtuoso.web.socket.published import Published
from virtuoso.web.socket.shelf import Shelf
from virtuoso.wire.client import FirstPaint, Resume, Resumed, Subscribe, Unsubscribe
from virtuoso.wire.follower import Follower
from virtuoso.wire.symbols import SymbolRecord


class Serving(Protocol):
    """Who serves clients."""

    def place(self, client: Client, hz: float) -> None:
        """Serve this client in the rhythm that is nearest below `hz`."""
        ...

    def serve_now(self, client: Client) -> None:
        """Serve it at once, whatever its rhythm."""
        ...

    def note_timing(self, timing: FirstPaint) -> None:
        """Keep what a page measured of its own start."""
        ...

    def resumed(self) -> None:
        """Count a client that went on without a snapshot."""
        ...


class Subscriptions:
    """Does what clients say."""

    def __init__(
        self,
        follower: Follower,
        options: WebOptions,
        shelf: Shelf,
        alerts: Alerts,
        published: Published,
        serving: Serving,
    ) -> None:
        self._follower = follower
        self._options = options
        self._shelf = shelf
        self._alerts = alerts
        self._published = published
        self._serving = serving

    def subscribe(self, client: Client, said: Subscribe) -> None:
        """Replace its subscription. Raises RequestError, and then nothing has changed."""
        groups = said.groups or ()
        unsaid = said.symbols is None and said.groups is None and not said.details
        whole = unsaid or "board" in groups
        symbols = None if whole else frozenset(said.symbols or ())
        self._check(said, symbols)
        fields = _fields(said)
        details = tuple(dict.fromkeys(said.details))
        before = client.view
        client.view = None
        if whole or said.symbols is not None:
            client.view = self._shelf.take(said.form, fields, symbols)
        if before is not None:
            self._shelf.give_back(before)
        client.wants_signals = "signals" in groups
        client.signals_at = None
        self._read_documents(client, (*((OVERVIEW,) if "overview" in groups else ()), *details))
        client.wants_alerts = "alerts" in groups
        client.alerts_sent = None
        if not self._resume(client, said.resume):
            client.start_over()
        self._serving.place(client, said.hz)
        self._serving.serve_now(client)

    def unsubscribe(self, client: Client, said: Unsubscribe) -> None:
        """Take something out of its subscription; everything, if nothing is named."""
        everything = said.symbols is None and said.groups is None and said.details is None
        if everything:
            self.drop(client)
            return
        groups, details = said.groups or (), said.details or ()
        if "alerts" in groups:
            client.wants_alerts = False
        if "signals" in groups:
            client.wants_signals = False
        gone = {*details, *((OVERVIEW,) if "overview" in groups else ())}
        if gone or "signals" in groups:
            self._read_documents(client, [each for each in client.documents if each not in gone])
        if client.view is None:
            return
        if "board" in groups:
            self._change_view(client, None)
        elif said.symbols:
            self._change_view(client, frozenset(said.symbols))

    def resync(self, client: Client) -> None:
        """Send it a snapshot, if it asked for anything."""
        client.start_over()
        self._serving.serve_now(client)

    def note_timing(self, timing: FirstPaint) -> None:
        """Keep what a page measured of its own start."""
        self._serving.note_timing(timing)

    def drop(self, client: Client) -> None:
        """End its subscription."""
        self._change_view(client, None)
        client.wants_alerts = client.wants_signals = False
        self._read_documents(client, ())

    def _change_view(self, client: Client, without: frozenset[str] | None) -> None:
        """Leave some symbols out of its view; None: all of them."""
        before = client.view
        if before is None:
            return
        client.view = None
        if without is not None:
            held = before.symbols
            if held is None:
                board = self._follower.reader.board
                held = frozenset(each.symbol for each in board.symbols) if board else frozenset()
            projection = before.projection
            client.narrow(self._shelf.take(projection.form, projection.fields, held - without))
        self._shelf.give_back(before)

    def _read_documents(self, client: Client, names: "tuple[str, ...] | list[str]") -> None:
        client.documents = dict.fromkeys(names)
        self._published.follow(client, (*names, SIGNALS) if client.wants_signals else names)

    def _resume(self, client: Client, resume: Resume | None) -> bool:
        """Go on where another connection was cut, if all that came since is known."""
        if resume is None:
            return False
        if resume.epoch == self._alerts.epoch:
            client.alerts_sent = resume.alerts
        if client.view is None or not self._shelf.changes.known_since(resume.epoch, resume.seq):
            return False
        client.resume(resume.seq)
        reader = self._follower.reader
        if reader.board is not None:
            now = self._follower.engine_now()
            client.reply(Resumed(resume.epoch, resume.seq, now, reader.board.source))
        self._serving.resumed()
        return True

    def _check(self, said: Subscribe, symbols: frozenset[str] | None) -> None:
        """Raise RequestError for what is too much or cannot be."""
        most = self._options
        if symbols is not None and len(symbols) > most.max_symbols:
            why = f"expected at most {most.max_symbols} symbols, or the group board"
            raise RequestError(ErrorCode.TOO_MANY_SYMBOLS, f"{why}, found {len(symbols)}")
        if len(said.details) > most.max_details:
            why = f"expected at most {most.max_details} details, found {len(said.details)}"
            raise RequestError(ErrorCode.TOO_MANY_DETAILS, why)
        for each in said.details:
            try:
                parse_symbol(each)
            except UnknownSymbolError as error:
                why = "expected a symbol such as BTCUSDT: capitals and digits"
                raise RequestError(ErrorCode.IMPOSSIBLE_SYMBOL, why) from error
        if said.fields is None:
            return
        if said.form != "records":
            why = "expected the form records beside fields, found rows"
            raise RequestError(ErrorCode.FIELDS_NEED_RECORDS, why)
        if not set(said.fields) <= set(SymbolRecord.__struct_fields__):
            why = "expected names of fields of a symbol's record, found another"
            raise RequestError(ErrorCode.UNKNOWN_FIELD, why)


def _fields(said: Subscribe) -> Fields | None:
    """The fields asked for in one order, so that whoever asks for the same shares them."""
    if said.fields is None:
        return None
    asked = set(said.fields)
    return tuple(name for name in SymbolRecord.__struct_fields__ if name in asked)
