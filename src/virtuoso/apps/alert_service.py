"""Answers questions about alerts and rules where they are in force: in the engine's process."""

import math
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from virtuoso.alerting.numbers import NUMBERS
from virtuoso.alerting.rules import parse, plain
from virtuoso.alerting.watch import NOBODY
from virtuoso.apps.answering import Answer
from virtuoso.apps.rehearsing import rehearse_stored
from virtuoso.domain.alerts import Acknowledgement, AlertState
from virtuoso.domain.errors import (
    ConflictError,
    RuleError,
    StateError,
    StoreError,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import HOUR
from virtuoso.engine.alerts import AlertDesk
from virtuoso.ports import Archive, Clock
from virtuoso.wire.alerts import (
    ALERTS,
    AlertChanged,
    AlertRequest,
    FiringEntry,
    FollowedEntry,
    NumberEntry,
    RehearsalDocument,
    RuleEntry,
    RuleProblem,
    RuleSaved,
    RulesDocument,
)
from virtuoso.wire.health import Problem
from virtuoso.wire.messages import to_json
from virtuoso.wire.records import iso

FIRINGS_SHOWN: Final = 200
LONGEST_NOTE: Final = 300

_Said: TypeAlias = tuple[int, bytes]


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    note: str = ""


class _Rehearse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rule: object
    hours: int = 24


class AlertService:
    """Knows the rules, the desk and what was stored."""

    def __init__(
        self,
        desk: AlertDesk,
        archive: Archive,
        clock: Clock,
        sources: tuple[Source, ...],
        channels: tuple[str, ...],
        why_read_only: Callable[[], str | None],
    ) -> None:
        """`sources`: whose rows a rule is rehearsed over."""
        self._desk = desk
        self._archive = archive
        self._clock = clock
        self._sources = sources
        self._channels = channels
        self._why_read_only = why_read_only

    async def answer(self, request: AlertRequest) -> Answer:
        """Status, body and the version of the rules in force."""
        status, body = await self._answer(request)
        return status, body, self._desk.book.version

    async def _answer(self, request: AlertRequest) -> _Said:
        if request.action in ALERTS.changes and (why := self._why_read_only()) is not None:
            return _problem(403, "read_only", why)
        try:
            match request.action:
                case "rules":
                    return 200, to_json(self._rules())
                case "put":
                    rule = parse(msgspec.json.decode(request.body))
                    if rule.id != request.target:
                        return _wrong_rule("The rule has another id.", "id")
                    unknown = set(rule.channels) - set(self._channels)
                    if unknown:
                        return _wrong_rule("A channel of it is not set up.", "channels")
                    version = await self._desk.book.put(rule, request.version)
                    return 200, to_json(RuleSaved("success", self._timestamp(), version))
                case "remove":
                    gone = await self._desk.book.remove(request.target, request.version)
                    if gone is None:
                        return _problem(404, "not_found", "Nobody wrote a rule of this id.")
                    return 200, to_json(RuleSaved("success", self._timestamp(), gone))
                case "rehearse":
                    return await self._rehearse(request)
                case "acknowledge" | "resolve":
                    return await self._change(request)
        except RuleError as error:
            # its text is ours, but may name what was sent: that is what its writer must see
            return _wrong_rule(str(error)[:400], error.field or None)
        except (msgspec.MsgspecError, RecursionError):
            return _problem(422, "wrong_body", "Expected JSON as the documentation has it.")
        except ConflictError:
            return _problem(412, "changed", "Other rules are in force meanwhile: read them again.")
        except StateError:
            return _problem(503, "not_kept", "The rules cannot be written at the moment.")
        except StoreError:
            return _problem(503, "store_away", "The store does not answer at the moment.")

    def _timestamp(self) -> str:
        return iso(self._clock.now())

    def _rules(self) -> RulesDocument:
        book = self._desk.book
        return RulesDocument(
            status="success" if book.problem is None else "degraded",
            timestamp=self._timestamp(),
            version=book.version,
            rules=tuple(
                RuleEntry(plain(each), book.is_ready_made(each.id), book.is_own(each.id))
                for each in book.rules
            ),
            numbers=tuple(
                NumberEntry(
                    each.name,
                    each.unit,
                    each.what,
                    each.scope.value,
                    each.recorded,
                    each.words,
                )
                for each in NUMBERS.values()
            ),
            channels=self._channels,
            problem=book.problem,
            why_not=self._why_read_only(),
        )

    async def _change(self, request: AlertRequest) -> _Said:
        note = msgspec.json.decode(request.body, type=_Note).note if request.body else ""
        state = AlertState.ACKNOWLEDGED if request.action == "acknowledge" else AlertState.RESOLVED
        said = Acknowledgement(
            request.target, self._clock.now(), request.actor[:200], state, note[:LONGEST_NOTE]
        )
        changed = await self._desk.change(said)
        if changed is None:
            if await self._archive.alert(request.target) is None:
                return _problem(404, "not_found", "There is no alert of this id.")
            return _problem(409, "wrong_state", "Its state does not allow that any more.")
        document = AlertChanged("success", self._timestamp(), changed.id, changed.state.value)
        return 200, to_json(document)

    async def _rehearse(self, request: AlertRequest) -> _Said:
        wanted = msgspec.json.decode(request.body, type=_Rehearse)
        rule = parse(wanted.rule)
        now = self._clock.now()
        found = await rehearse_stored(
            self._archive, rule, self._sources, now - wanted.hours * HOUR, now
        )
        told = found.rehearsal
        document = RehearsalDocument(
            status="success" if told.moments else "degraded",
            timestamp=self._timestamp(),
            begin=told.begin,
            end=told.end,
            step_ms=found.step_ms,
            symbols=found.symbols,
            moments=told.moments,
            fired=len(told.firings),
            firings=tuple(
                FiringEntry(
                    each.at,
                    None if each.subject == NOBODY else each.subject,
                    dict(each.numbers),
                    price,
                    tuple(None if move is None else _percent(move) for move in moves),
                )
                for each, price, moves in zip(
                    told.firings[-FIRINGS_SHOWN:],
                    told.prices[-FIRINGS_SHOWN:],
                    told.moves[-FIRINGS_SHOWN:],
                    strict=True,
                )
            ),
            followed=tuple(
                FollowedEntry(
                    each.horizon_ms,
                    each.n,
                    each.up,
                    None if each.median is None else _percent(each.median),
                    each.base_n,
                    each.base_up,
                )
                for each in told.followed
            ),
        )
        return 200, to_json(document)


def _percent(log_return: float) -> float:
    return 100.0 * math.expm1(log_return)


def _wrong_rule(detail: str, field: str | None) -> _Said:
    body = RuleProblem(
        title="wrong_rule", status=422, code="wrong_rule", detail=detail, field=field
    )
    return 422, to_json(body)


def _problem(status: int, code: str, detail: str) -> _Said:
    return status, to_json(Problem(title=code, status=status, code=code, detail=detail))
