"""What a follower of the engine can say of the system's health."""

from typing import Final

from virtuoso.domain.scores import State
from virtuoso.ports import Clock
from virtuoso.wire.follower import Follower
from virtuoso.wire.health import HealthDocument, HealthPart
from virtuoso.wire.processes import PartHealth
from virtuoso.wire.records import iso

_STATES: Final = {"pass": State.LIVE, "warn": State.DELAYED, "fail": State.STALE}


def engine_part(follower: Follower, clock: Clock) -> HealthPart:
    """The engine's heartbeat."""
    reader = follower.reader
    age = follower.engine_ms()
    if reader.engine_now == 0:
        text = "; ".join(follower.why_nothing())
        return HealthPart("engine", "fail", State.ABSENT, text, None, None, None)
    if follower.engine_silent():
        text = f"no heartbeat since {iso(reader.engine_now)}"
        heard_at = clock.now() - age
        return HealthPart("engine", "fail", State.STALE, text, heard_at, heard_at, age)
    heard_at = clock.now() - age
    return HealthPart("engine", "pass", State.LIVE, "the heartbeat comes", None, heard_at, age)


def parts_of(follower: Follower, clock: Clock) -> tuple[HealthPart, ...]:
    """The engine, what it says of its own parts, the pushes and the cache."""
    now = clock.now()
    silent = follower.engine_silent()
    reported = () if follower.engine is None else follower.engine.parts
    return (
        engine_part(follower, clock),
        *(_reported(part, follower, silent=silent) for part in reported),
        _pushes(follower, now),
        _cache(follower, now),
    )


def own_part(part: PartHealth, role: str, now: int) -> HealthPart:
    """Health of a part that this process sees for itself, named after its role."""
    last = part.last_good
    age = None if last is None else max(0, now - last)
    name = f"{role}_{part.name}"
    return HealthPart(name, part.status, _STATES[part.status], part.text, part.since, last, age)


def _reported(part: PartHealth, follower: Follower, *, silent: bool) -> HealthPart:
    """Pass on what the engine said of one part; a silent engine vouches for nothing."""
    last = part.last_good
    age = None if last is None else max(0, follower.engine_now() - last)
    if silent:
        text = f"unknown while the engine is silent; it said last: {part.text}"
        return HealthPart(part.name, "fail", State.STALE, text, None, last, age)
    state = State.ABSENT if part.status == "fail" and last is None else _STATES[part.status]
    return HealthPart(part.name, part.status, state, part.text, part.since, last, age)


def _pushes(follower: Follower, now: int) -> HealthPart:
    age = follower.push_ms
    if follower.reading == "pushes":
        return HealthPart("pushes", "pass", State.LIVE, "changes are pushed", None, now - age, age)
    text = "no pushes: the cache is read each second instead"
    since = follower.reading_since
    return HealthPart("pushes", "warn", State.DELAYED, text, since, now - age, age)


def _cache(follower: Follower, now: int) -> HealthPart:
    good = follower.cache_good_at
    age = None if good is None else max(0, now - good)
    if follower.cache_error is None and good is not None:
        return HealthPart("cache", "pass", State.LIVE, "the cache answers", None, good, age)
    why = follower.cache_error or "not asked yet"
    state = State.ABSENT if good is None else State.STALE
    return HealthPart("cache", "fail", state, f"the cache does not answer: {why}", None, good, age)


def judge(
    parts: tuple[HealthPart, ...], follower: Follower, clock: Clock, version: str
) -> tuple[int, HealthDocument]:
    """Sum parts up: 503 when nothing true can be said.

    That is when the engine is gone, for then nothing shown is the present, and when the venue is
    out of reach before a single number came.
    """
    reasons = tuple(f"{part.name}: {part.text}" for part in parts if part.status != "pass")
    failed = {part.name for part in parts if part.status == "fail"}
    board = follower.reader.board
    has_numbers = board is not None and any(row.price is not None for row in board.rows)
    gone = "engine" in failed or ("feed" in failed and not has_numbers)
    document = HealthDocument(
        status="error" if gone else "degraded" if reasons else "success",
        timestamp=iso(clock.now()),
        version=version,
        source=None if board is None else board.source,
        parts=parts,
        reasons=reasons,
    )
    return (503 if gone else 200), document
