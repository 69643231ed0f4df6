"""`/api/alerts`: what fired and how it was told; acknowledging; the rules and their rehearsal."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response
from starlette.requests import ClientDisconnect

from virtuoso.domain.alerts import Alert, AlertFilter, AlertLevel, AlertState, Delivery
from virtuoso.domain.errors import StoreError
from virtuoso.domain.time import Millis
from virtuoso.ports import Archive, Clock
from virtuoso.web.alert_client import AlertClient
from virtuoso.web.config_client import NoAnswerError
from virtuoso.web.problems import PROBLEM_TYPE, ProblemError
from virtuoso.web.security.access import access_of
from virtuoso.wire import keys
from virtuoso.wire.alerts import AlertAction, AlertList, AlertRecord, DeliveryRecord
from virtuoso.wire.follower import Follower
from virtuoso.wire.messages import AlertsDocument, to_json
from virtuoso.wire.records import iso, millis_of

JSON: Final = "application/json"
MOST: Final = 500
_ETAG: Final = re.compile(r'(?:W/)?"rules-(\d{1,9})"')


def alert_router(
    client: AlertClient, archive: Archive | None, follower: Follower, clock: Clock
) -> APIRouter:
    """Build the routes. Who may use them is judged by the guard in front."""
    router = APIRouter(tags=["alerts"])
    listing = _Listing(archive, follower, clock)

    async def rules(_request: Request) -> Response:
        return await _ask(client, "rules")

    async def put(request: Request, rule: str) -> Response:
        return await _ask(client, "put", request, rule)

    async def remove(request: Request, rule: str) -> Response:
        return await _ask(client, "remove", request, rule)

    async def rehearse(request: Request) -> Response:
        return await _ask(client, "rehearse", request)

    async def acknowledge(request: Request, alert: str) -> Response:
        return await _ask(client, "acknowledge", request, alert)

    async def resolve(request: Request, alert: str) -> Response:
        return await _ask(client, "resolve", request, alert)

    get: dict[str, Any] = {"methods": ["GET", "HEAD"], "response_model": None}
    post: dict[str, Any] = {"methods": ["POST"], "response_model": None}
    one = "/api/alerts/rules/{rule}"
    router.add_api_route("/api/alerts", listing.alerts, **get)
    router.add_api_route("/api/alerts/rules", rules, **get)
    router.add_api_route("/api/alerts/{alert}", listing.alert, **get)
    router.add_api_route("/api/alerts/rules/rehearse", rehearse, **post)
    router.add_api_route(one, put, methods=["PUT"], response_model=None)
    router.add_api_route(one, remove, methods=["DELETE"], response_model=None)
    router.add_api_route("/api/alerts/{alert}/acknowledge", acknowledge, **post)
    router.add_api_route("/api/alerts/{alert}/resolve", resolve, **post)
    return router


class _Listing:
    def __init__(self, archive: Archive | None, follower: Follower, clock: Clock) -> None:
        self._archive = archive
        self._follower = follower
        self._clock = clock

    async def alerts(
        self,
        symbol: str = Query("", max_length=60),
        level: str = Query("", max_length=60, description="info, warning, critical; with commas"),
        state: str = Query("", max_length=60, description="active, acknowledged, resolved"),
        rule: str = Query("", max_length=60),
        kind: str = Query("", max_length=60),
        source: str = Query("", max_length=60),
        start: str = Query("", alias="from", max_length=40),
        end: str = Query("", alias="to", max_length=40),
        limit: int = Query(100, ge=1, le=MOST),
        before: str = Query("", max_length=64, description="`next` of the page before"),
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
            reasons=(f"{why}: these are the active ones, without their delivery",),
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


def _instant(text: str) -> Millis | None:
    if not text:
        return None
    try:
        return Millis(int(text)) if text.isdecimal() else millis_of(text)
    except ValueError:
        raise ProblemError(400, "wrong_time", "Times are ISO 8601 UTC, or milliseconds.") from None


async def _ask(
    client: AlertClient, action: AlertAction, request: Request | None = None, target: str = ""
) -> Response:
    body, seen, actor = b"", None, ""
    if request is not None:
        match = request.headers.get("if-match")
        if match is not None:
            found = _ETAG.fullmatch(match.strip())
            if found is None:
                raise ProblemError(400, "wrong_version", 'Expected If-Match such as "rules-3".')
            seen = int(found[1])
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)
        actor = access_of(request.scope).actor
    try:
        answer = await client.ask(action, actor, target[:64], body, seen)
    except NoAnswerError:
        raise ProblemError(
            503, "engine_silent", "The engine, whose alerts these are, does not answer."
        ) from None
    headers = {"cache-control": "no-store"}
    if answer.status == 200:
        headers["etag"] = f'"rules-{answer.version}"'
    kind = JSON if answer.status == 200 else PROBLEM_TYPE
    return Response(answer.body, answer.status, headers, kind)
