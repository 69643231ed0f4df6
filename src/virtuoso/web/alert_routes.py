"""`/api/alerts`: what fired and how it was told; acknowledging; the rules and their rehearsal."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from fastapi import Path, Query, Request, Response
from pydantic.fields import FieldInfo

from virtuoso.domain.alerts import Alert, AlertFilter, AlertLevel, AlertState, Delivery
from virtuoso.domain.errors import StoreError
from virtuoso.domain.time import Millis
from virtuoso.domain.words import Word
from virtuoso.ports import Archive, Clock
from virtuoso.web.asking import Asking
from virtuoso.web.passing import Passing
from virtuoso.web.problems import ProblemError, unknown_place
from virtuoso.web.routes.api import Api
from virtuoso.web.routes.parameters import TIME_PATTERN
from virtuoso.wire import keys
from virtuoso.wire.alerts import (
    AlertChanged,
    AlertList,
    AlertRecord,
    AlertRequest,
    DeliveryRecord,
    RehearsalDocument,
    RuleSaved,
    RulesDocument,
)
from virtuoso.wire.dashboards import AlertsDocument
from virtuoso.wire.follower import Follower
from virtuoso.wire.messages import to_json
from virtuoso.wire.pushes import Alert as CachedAlert
from virtuoso.wire.records import iso, millis_of

JSON: Final = "application/json"
TAG: Final = "alerts"
MOST: Final = 500

_COMPARISON: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "number": {"type": "string", "description": "One of `numbers` of GET /api/alerts/rules."},
        "is": {
            "type": "string",
            "enum": ["above", "at_least", "below", "at_most", "is", "is_not", "changes"],
        },
        "limit": {"anyOf": [{"type": "number"}, {"type": "string", "maxLength": 60}]},
        "clear": {"type": "number", "description": "It ends on this side; else at the limit."},
    },
    "required": ["number", "is"],
}
_GROUP: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "object"},
    "description": "Conditions again.",
}
RULE: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,47}$"},
        "title": {"type": "string", "minLength": 1, "maxLength": 120},
        "kind": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,47}$"},
        "level": {"type": "string", "enum": ["info", "warning", "critical"]},
        "when": {
            "anyOf": [
                _COMPARISON,
                {"type": "object", "properties": {"all": _GROUP}, "required": ["all"]},
                {"type": "object", "properties": {"any": _GROUP}, "required": ["any"]},
            ]
        },
        "symbols": {"type": "array", "items": {"type": "string"}, "maxItems": 500},
        "for_seconds": {"type": "integer", "minimum": 0, "maximum": 604_800},
        "cooldown_seconds": {"type": "integer", "minimum": 0, "maximum": 604_800},
        "quiet": {
            "type": "string",
            "description": "Hours of UTC in which only critical ones are sent.",
            "example": "22:00-06:00",
        },
        "channels": {"type": "array", "items": {"type": "string"}},
        "enabled": {"type": "boolean"},
    },
    "required": ["id", "title", "kind", "level", "when"],
    "example": {
        "id": "btc-high",
        "title": "Bitcoin leans up",
        "kind": "confluence",
        "level": "warning",
        "when": {"number": "score", "is": "at_least", "limit": 70, "clear": 65},
        "symbols": ["BTCUSDT"],
        "for_seconds": 60,
        "cooldown_seconds": 900,
    },
}
REHEARSE: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "rule": RULE,
        "hours": {"type": "integer", "minimum": 1, "description": "So far back.", "default": 24},
    },
    "required": ["rule"],
    "example": {"rule": RULE["example"], "hours": 24},
}
NOTE: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"note": {"type": "string", "maxLength": 300}},
    "example": {"note": "seen, spread widened for a minute"},
}
RuleId = Annotated[
    str,
    Path(
        pattern="^[a-z0-9][a-z0-9-]{0,47}$",
        description="Id of a rule.",
        examples=["btc-high"],
    ),
]
AlertId = Annotated[
    str,
    Path(
        pattern="^[A-Za-z0-9._:-]{1,64}$",
        description="Id of an alert, as the list gives it.",
        examples=["01JC0000000000000000000000"],
    ),
]


def _words(text: str, kind: type[Word]) -> FieldInfo:
    """A parameter that lists some words."""
    words = "|".join(kind)
    listed: FieldInfo = Query(
        max_length=60,
        description=text,
        examples=[next(iter(kind)).value],
        json_schema_extra={"pattern": f"^(({words})(,({words}))*)?$"},
    )
    return listed


def _time(name: str, text: str) -> FieldInfo:
    """A parameter that is a time."""
    pattern = f"^([0-9]{{1,14}}|{TIME_PATTERN[1:-1]})$"
    found: FieldInfo = Query(
        alias=name,
        description=f"{text}: ISO 8601 UTC, or milliseconds UTC.",
        examples=["2026-07-19T12:00:00Z"],
        json_schema_extra={"anyOf": [{"type": "string", "pattern": pattern}]},
    )
    return found


def add_alerts(
    api: Api,
    asking: Asking[AlertRequest],
    archive: Archive | None,
    follower: Follower,
    clock: Clock,
) -> None:
    """Add the routes. Who may use them is judged by the guard in front."""
    engine = Passing(asking, "rules", "alerts")
    listing = _Listing(archive, follower, clock)

    async def rules(request: Request) -> Response:  # noqa: ARG001 (what a handler is given)
        """The rules in force, what they may look at, and the channels that are set up."""
        return await engine.read(AlertRequest(action="rules"))

    async def put(request: Request, rule: RuleId) -> Response:
        """Write a rule, new or in the place of the one of this id."""
        return await engine.write(request, AlertRequest(action="put", target=rule))

    async def remove(request: Request, rule: RuleId) -> Response:
        """Remove a rule that a person wrote; a ready-made one below it is in force again."""
        return await engine.write(request, AlertRequest(action="remove", target=rule))

    async def rehearse(request: Request) -> Response:
        """What a rule would have fired over stored history, and what the price did after."""
        return await engine.write(request, AlertRequest(action="rehearse"))

    async def acknowledge(request: Request, alert: AlertId) -> Response:
        """Say that somebody has seen an alert."""
        return await engine.write(request, AlertRequest(action="acknowledge", target=alert))

    async def resolve(request: Request, alert: AlertId) -> Response:
        """Say that an alert is seen to."""
        return await engine.write(request, AlertRequest(action="resolve", target=alert))

    async def alert(request: Request, alert: AlertId) -> Response:  # noqa: ARG001 (as above)
        """One alert, with how it fares on its channels."""
        return await listing.alert(alert)

    api.also(CachedAlert, AlertRecord)
    one = "/api/alerts/rules/{rule}"
    api.get("/api/alerts", listing.alerts, AlertList, tag=TAG, errors=(422, 503))
    api.get("/api/alerts/rules", rules, RulesDocument, tag=TAG, errors=(503,))
    api.get("/api/alerts/{alert}", alert, AlertRecord, tag=TAG, errors=(404, 422, 503))
    path = "/api/alerts/rules/rehearse"
    api.change("POST", path, rehearse, RehearsalDocument, tag=TAG, body=REHEARSE)
    api.change("PUT", one, put, RuleSaved, tag=TAG, body=RULE, versioned=True)
    api.change("DELETE", one, remove, RuleSaved, tag=TAG, versioned=True)
    for name, handler in (("acknowledge", acknowledge), ("resolve", resolve)):
        path = f"/api/alerts/{{alert}}/{name}"
        api.change("POST", path, handler, AlertChanged, tag=TAG, body=NOTE)


class _Listing:
    def __init__(self, archive: Archive | None, follower: Follower, clock: Clock) -> None:
        self._archive = archive
        self._follower = follower
        self._clock = clock

    async def alerts(
        self,
        request: Request,  # noqa: ARG002 (what a handler is given)
        symbol: Annotated[
            str, Query(max_length=60, description="Of one symbol.", examples=["BTCUSDT"])
        ] = "",
        level: Annotated[str, _words("Levels, separated by commas.", AlertLevel)] = "",
        state: Annotated[str, _words("States, separated by commas.", AlertState)] = "",
        rule: Annotated[str, Query(max_length=60, description="Id of the rule.")] = "",
        kind: Annotated[
            str, Query(max_length=60, description="Kind of the rule.", examples=["whale_trade"])
        ] = "",
        source: Annotated[
            str,
            Query(max_length=60, description="Sources, separated by commas; without it all."),
        ] = "",
        start: Annotated[str | None, _time("from", "Earliest time, inclusive")] = None,
        end: Annotated[str | None, _time("to", "Latest time, exclusive")] = None,
        limit: Annotated[
            int, Query(ge=1, le=MOST, description="At most so many, the newest first.")
        ] = 100,
        before: Annotated[str, Query(max_length=64, description="`next` of the page before.")] = "",
    ) -> Response:
        """Alerts, newest first, with how they fare on their channels."""
        wanted = AlertFilter(
            sources=tuple(source.split(",")) if source else (),
            symbol=symbol.upper() or None,
            levels=tuple(_level(each) for each in level.split(",") if each),
            states=tuple(_state(each) for each in state.split(",") if each),
            rule=rule or None,
            kind=kind or None,
            since=_instant(start),
            until=_instant(end),
        )
        timestamp = iso(self._clock.now())
        try:
            if self._archive is None:
                return await self._held(timestamp, "the store is off")
            found = await self._archive.alerts(wanted, limit, before or None)
            if before and not found and not await self._archive.alert(before):
                raise unknown_place()
            told = await self._archive.deliveries([each.id for each in found])
        except StoreError:
            return await self._held(timestamp, "the store cannot be read")
        document = AlertList(
            status="success",
            timestamp=timestamp,
            data_source="store",
            alerts=tuple(_record(each, told) for each in found),
            next=found[-1].id if len(found) == limit else None,
        )
        return Response(to_json(document), 200, {"cache-control": "no-store"}, JSON)

    async def alert(self, alert: str) -> Response:
        """One alert, with how it fares on its channels."""
        if self._archive is None:
            raise ProblemError(503, "no_store", "The store, which has the alerts, is off.")
        try:
            found = await self._archive.alert(alert[:64])
            told = () if found is None else await self._archive.deliveries([found.id])
        except StoreError:
            raise ProblemError(503, "store_away", "The store cannot be read now.") from None
        if found is None:
            raise ProblemError(404, "not_found", "There is no alert of this id.")
        return Response(to_json(_record(found, told)), 200, {"cache-control": "no-store"}, JSON)

    async def _held(self, timestamp: str, why: str) -> Response:
        """Give the active ones from the cache; they are not filtered."""
        served = await self._follower.document(keys.ALERTS)
        try:
            known = msgspec.json.decode(served.body, type=AlertsDocument)
        except msgspec.MsgspecError:
            raise ProblemError(503, "no_alerts", "Alerts are not known at the moment.") from None
        document = AlertList(
            status="degraded",
            timestamp=timestamp,
            data_source="cache",
            alerts=tuple(reversed(known.alerts)),
            next=None,
            reasons=known.reasons or (f"{why}: these are the active ones, without their delivery",),
        )
        return Response(to_json(document), 200, {"cache-control": "no-store"}, JSON)


def _record(alert: Alert, told: Sequence[Delivery]) -> AlertRecord:
    return AlertRecord(
        id=alert.id,
        level=alert.level.value,
        symbol=alert.symbol,
        rule=alert.rule,
        kind=alert.kind,
        message=alert.message,
        details=dict(alert.details),
        timestamp=iso(alert.at),
        at=alert.at,
        state=alert.state.value,
        changed_at=alert.changed_at,
        source=alert.source,
        delivery=tuple(
            DeliveryRecord(
                each.channel,
                each.state.value,
                each.attempts,
                each.changed_at,
                each.due_at,
                each.error,
                each.remote,
            )
            for each in told
            if each.alert == alert.id
        ),
        signal=alert.signal,
    )


def _level(text: str) -> AlertLevel:
    try:
        return AlertLevel(text)
    except ValueError:
        raise ProblemError(400, "wrong_level", "Levels are info, warning, critical.") from None


def _state(text: str) -> AlertState:
    try:
        return AlertState(text)
    except ValueError:
        raise ProblemError(
            400, "wrong_state", "States are active, acknowledged, resolved."
        ) from None


def _instant(text: str | None) -> Millis | None:
    if text is None:
        return None
    try:
        return Millis(int(text)) if text.isdecimal() else millis_of(text)
    except ValueError:
        raise ProblemError(400, "wrong_time", "Times are ISO 8601 UTC, or milliseconds.") from None
