"""Signals, alerts, deliveries, settings and audit as rows of the tables, and back."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from virtuoso.adapters.store.rows import Values
from virtuoso.domain.alerts import (
    ENDED,
    Acknowledgement,
    Alert,
    AlertLevel,
    AlertState,
    Delivery,
    DeliveryState,
)
from virtuoso.domain.deeds import ChainedDeed, Deed, SettingsVersion
from virtuoso.domain.history import KeptPart, Series
from virtuoso.domain.instruments import Symbol, Venue
from virtuoso.domain.scores import ComponentName, Direction, Reason, Source
from virtuoso.domain.signals import Outcome, Signal, SignalEvent, SignalResult, SignalState
from virtuoso.domain.time import Millis


def text_of(content: Mapping[str, object]) -> str:
    """Write JSON; what has no form there, or is not finite, is refused by ValueError."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def signal_values(signal: Signal) -> Values:
    """Give the columns of a signal: those that are looked for, and the whole as JSON."""
    body = {
        "score": signal.score,
        "confidence": signal.confidence,
        "coverage": signal.coverage,
        "definition": signal.definition,
        "price": signal.price,
        "components": {
            name.value: [part.score, part.points, part.reason]
            for name, part in signal.components.items()
        },
        "horizon_ms": signal.horizon_ms,
        "method": signal.method,
        "stop": signal.stop,
        "targets": list(signal.targets),
        "exit_price": signal.exit_price,
        "followed_to": signal.followed_to,
        "decided_on": signal.decided_on,
        "spread_bp": signal.spread_bp,
        "atr": signal.atr,
        "reason": signal.reason,
        "last_price": signal.last_price,
        "left_at": signal.left_at,
        "left_as": signal.left_as,
        "reopened": signal.reopened,
    }
    return {
        "id": signal.id,
        **signal.series._asdict(),
        "opened_at": signal.opened_at,
        "state": signal.state,
        "direction": signal.direction,
        "changed_at": signal.changed_at,
        "closed_at": signal.closed_at,
        "outcome": signal.outcome,
        "r": signal.r,
        "body": text_of(body),
        "horizon_ms": signal.horizon_ms,
        "method": signal.method,
        "definition": signal.definition,
        "has_stop": signal.stop is not None,
        "targets_hit": signal.targets_hit,
        "best_excursion": signal.best_excursion,
        "worst_excursion": signal.worst_excursion,
        "atr": signal.atr,
    }


def signal_from(row: Row[Any]) -> Signal:
    """Read a row of `signals`."""
    body = json.loads(row.body)
    parts = {
        ComponentName(name): KeptPart(score, points, None if reason is None else Reason(reason))
        for name, (score, points, reason) in body["components"].items()
    }
    return Signal(
        id=row.id,
        series=Series(Source(row.source), Venue(row.venue), Symbol(row.symbol)),
        opened_at=Millis(row.opened_at),
        state=SignalState(row.state),
        direction=Direction(row.direction),
        score=body["score"],
        confidence=body["confidence"],
        coverage=body["coverage"],
        definition=body["definition"],
        price=body["price"],
        components=parts,
        horizon_ms=body["horizon_ms"],
        method=body["method"],
        stop=body["stop"],
        targets=tuple(body["targets"]),
        changed_at=Millis(row.changed_at),
        closed_at=row.closed_at,
        outcome=_outcome(row.outcome),
        exit_price=body["exit_price"],
        best_excursion=row.best_excursion,
        worst_excursion=row.worst_excursion,
        r=row.r,
        followed_to=body["followed_to"],
        decided_on=body.get("decided_on"),
        spread_bp=body.get("spread_bp"),
        atr=body.get("atr"),
        reason=None if body.get("reason") is None else Reason(body["reason"]),
        targets_hit=row.targets_hit or 0,
        last_price=body.get("last_price"),
        left_at=body.get("left_at"),
        left_as=_outcome(body.get("left_as")),
        reopened=body.get("reopened", 0),
    )


def _outcome(text: str | None) -> Outcome | None:
    return None if text is None else Outcome(text)


def event_values(event: SignalEvent) -> Values:
    """Give the columns of a step of a signal's life."""
    return event._asdict()


def event_from(row: Row[Any]) -> SignalEvent:
    """Read a row of `signal_events`."""
    return SignalEvent(row.signal, Millis(row.at), SignalState(row.state), row.what, row.price)


def result_from(row: Row[Any]) -> SignalResult:
    """Read what statistics need of a row of `signals`."""
    return SignalResult(
        row.symbol,
        Direction(row.direction),
        row.horizon_ms,
        Millis(row.opened_at),
        SignalState(row.state),
        row.method,
        row.definition,
        _outcome(row.outcome),
        row.r,
        row.targets_hit,
        row.best_excursion,
        row.worst_excursion,
        row.has_stop,
        row.venue,
        row.atr,
    )


def alert_values(alert: Alert) -> Values:
    """Give the columns of an alert."""
    return {
        "id": alert.id,
        "at": alert.at,
        "level": alert.level,
        "rule": alert.rule,
        "kind": alert.kind,
        "source": alert.source,
        "symbol": alert.symbol,
        "message": alert.message,
        "details": text_of(alert.details),
        "state": alert.state,
        "changed_at": alert.changed_at,
        "signal": alert.signal,
    }


def alert_from(row: Row[Any]) -> Alert:
    """Read a row of `alerts`."""
    return Alert(
        id=row.id,
        at=Millis(row.at),
        level=AlertLevel(row.level),
        rule=row.rule,
        kind=row.kind,
        source=row.source,
        symbol=row.symbol,
        message=row.message,
        details=json.loads(row.details),
        state=AlertState(row.state),
        changed_at=row.changed_at,
        signal=row.signal,
    )


def delivery_values(delivery: Delivery) -> Values:
    """Give the columns of a delivery."""
    return {
        "id": delivery.id,
        "alert": delivery.alert,
        "channel": delivery.channel,
        "created_at": delivery.created_at,
        "state": delivery.state,
        "ended": delivery.state in ENDED,
        "attempts": delivery.attempts,
        "due_at": delivery.due_at or 0,
        "changed_at": delivery.changed_at,
        "error": None if delivery.error is None else delivery.error[:1_000],
        "remote": delivery.remote,
    }


def delivery_from(row: Row[Any]) -> Delivery:
    """Read a row of `deliveries`."""
    return Delivery(
        id=row.id,
        alert=row.alert,
        channel=row.channel,
        created_at=Millis(row.created_at),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        due_at=Millis(row.due_at),
        changed_at=row.changed_at,
        error=row.error,
        remote=row.remote,
    )


def acknowledgement_from(row: Row[Any]) -> Acknowledgement:
    """Read a row of `acknowledgements`."""
    return Acknowledgement(row.alert, Millis(row.at), row.by, AlertState(row.state), row.note)


def version_from(row: Row[Any]) -> SettingsVersion:
    """Read a row of `settings_versions`."""
    return SettingsVersion(row.number, Millis(row.at), row.by, row.text, row.comment, row.undoes)


def entry_values(entry: ChainedDeed) -> Values:
    """Give the columns of an entry of the audit."""
    deed = entry.deed
    return {
        "number": entry.number,
        "at": deed.at,
        "who": deed.who,
        "action": deed.action,
        "target": deed.target,
        "details": text_of(deed.details),
        "previous": entry.previous,
        "hash": entry.hash,
    }


def entry_from(row: Row[Any]) -> ChainedDeed:
    """Read a row of `audit`."""
    deed = Deed(Millis(row.at), row.who, row.action, row.target, json.loads(row.details))
    return ChainedDeed(row.number, deed, row.previous, row.hash)
