"""How the parts work and how old their inputs are, for whoever looks after them."""

import msgspec

from virtuoso.domain.scores import Reason, Source, State
from virtuoso.wire.messages import DataSource, Status
from virtuoso.wire.processes import EngineStatus


class SymbolInputs(msgspec.Struct, frozen=True):
    """What one symbol's score is made from, in the order of `InputsDocument.kinds`."""

    symbol: str
    venue: str
    as_of: tuple[int | None, ...]
    """Venue time of each input's newest fact; null where there is none."""
    states: tuple[State, ...]
    reasons: tuple[Reason | None, ...]
    """Why an input is not there."""


class InputsDocument(msgspec.Struct, frozen=True):
    """`/api/inputs`: how old every input of every symbol was at `now`, each few seconds."""

    status: Status
    timestamp: str
    source: Source
    data_source: DataSource
    now: int
    """The engine's clock when it looked: ages are `now` - `as_of`, and not older ones since."""
    kinds: tuple[str, ...]
    symbols: tuple[SymbolInputs, ...]
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0


class FiguresDocument(msgspec.Struct, frozen=True):
    """`/api/figures`: what the engine and this process counted since they started."""

    status: Status
    timestamp: str
    engine_ms: int | None
    """How long ago the engine was heard of; null when it never was."""
    engine: EngineStatus | None
    reader: dict[str, int]
    """What this process met while it followed the engine."""
    sockets: dict[str, int]
    """Clients, messages, bytes, and how long deliveries took in microseconds."""
    cycle_bounds_ms: tuple[float, ...]
    """Upper bounds of the classes in `engine.cycles`; what is above the last counts in no class."""
    reasons: tuple[str, ...]
