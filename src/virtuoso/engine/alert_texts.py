"""What an alert says: what its rule is, what it saw with units, where that is from. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from virtuoso.alerting.numbers import NUMBERS, WORD, Reading
from virtuoso.alerting.rules import plain_condition
from virtuoso.alerting.watch import Firing
from virtuoso.domain.alerts import Alert, AlertLevel, AlertState
from virtuoso.domain.scores import Absent, Source
from virtuoso.domain.time import MINUTE, Millis, Timeframe
from virtuoso.engine.content import Content
from virtuoso.engine.lane import Lane
from virtuoso.engine.pairing import Shown

POINTS: Final = 60
"""Of an alert's chart: an hour."""
TOP: Final = 5
MEMBERS_NAMED: Final = 10
FAMILIES: Final = ("component.", "dimension.", "pattern.")
"""Of numbers whose own name says enough."""
SIMULATED: Final = "SIMULATED: "
_OF_LIQUIDATIONS: Final = ("cascade", "large_liquidation", "largest_liquidation", "liquidated_")
_COVERED: Final = {
    "all": "the venue tells all of them",
    "sampled_1s": "the venue tells at most one a second: true numbers may be larger",
    "synthetic": "simulated",
}


def alert_id(rule: str, subject: str, at: Millis, source: str) -> str:
    """Make the id of a firing: the same decision has the same one, after a crash too."""
    text = "\n".join((rule, subject, str(at), source))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def source_words(source: str) -> str:
    """Put this before every text: nobody must take simulated numbers for a market's."""
    return SIMULATED if source == Source.SIMULATOR else ""


def worded(name: str, value: Reading) -> str:
    """Say a number with its unit."""
    number = NUMBERS[name]
    label = (name.partition(".")[2] if name.startswith(FAMILIES) else name).replace("_", " ")
    if value is None:
        return f"{label} unknown"
    if isinstance(value, str) or number.unit == WORD:
        return f"{label} {value}"
    return f"{label} {figure(value)} {number.unit}".replace(" 0..100", " of 100").replace(
        " 0..1", " of 1"
    )


def figure(value: float) -> str:
    """Write a number with as many digits as mean something."""
    size = abs(value)
    if size >= 1_000:
        return f"{value:,.0f}"
    if size >= 10 or value == 0:
        return f"{value:.1f}"
    return f"{value:.4g}"


def alert_of(
    firing: Firing,
    content: Content,
    shown: Shown | None,
    source: str,
    coverage: Mapping[str, str],
    signal: str | None = None,
) -> Alert:
    """Make the alert of a firing.

    coverage: how much of its liquidations each venue tells. signal: the id of the one it is about.
    """
    rule, subject = firing.rule, firing.subject
    numbers = {
        name: {"value": value, "unit": NUMBERS[name].unit} for name, value in firing.numbers.items()
    }
    parts = [worded(name, value) for name, value in firing.numbers.items()]
    details: dict[str, object] = {
        "title": rule.title,
        "numbers": numbers,
        "since": firing.since,
        "when": plain_condition(rule.when),
    }
    if firing.of:
        named = ", ".join(firing.members[:MEMBERS_NAMED])
        more = ", ..." if len(firing.members) > MEMBERS_NAMED else ""
        parts.insert(0, f"{len(firing.members)} of {firing.of} symbols: {named}{more}")
        details["group"] = {"members": list(firing.members), "of": firing.of}
    if shown is not None:
        parts += _of_symbol(details, firing, shown, content.lanes.get(subject))
        venue = shown.instrument.venue
        details["venue"] = str(venue)
        if any(name.startswith(_OF_LIQUIDATIONS) for name in firing.numbers):
            told = coverage.get(venue, "unknown")
            details["liquidations_told"] = told
            parts.append(f"liquidations: {_COVERED.get(told, 'how many are told is unknown')}")
    head = f"{rule.title}: {subject}" if subject else rule.title
    text = f"{source_words(source)}{head} - {'; '.join(parts)}. Source: {source}."
    return Alert(
        id=alert_id(rule.id, subject, firing.at, source),
        at=firing.at,
        level=rule.level,
        rule=rule.id,
        kind=rule.kind,
        source=source,
        symbol=subject or None,
        message=text,
        details=details,
        signal=signal,
    )


def _of_symbol(
    details: dict[str, object], firing: Firing, shown: Shown, lane: Lane | None
) -> Sequence[str]:
    """Add what is known of the symbol: score taken apart, price, their last hour."""
    score, price = shown.view.score, shown.view.price
    parts: list[str] = []
    details["score"] = score.score
    details["coverage"] = score.coverage
    details["price"] = price.value
    points = {each.component: each.points for each in score.contributions}
    details["components"] = {
        name.value: {"score": None, "points": None, "reason": part.reason.value}
        if isinstance(part, Absent)
        else {"score": part.score, "points": points.get(name), "reason": None}
        for name, part in score.components.items()
    }
    if score.score is not None:
        if "score" not in firing.numbers:
            parts.append(f"score {figure(score.score)} of 100")
        if "coverage" not in firing.numbers:
            parts.append(f"{score.coverage:.0%} of its weight seen")
    if price.value is not None and "price" not in firing.numbers:
        parts.append(f"price {figure(price.value)} USDT")
    if lane is not None:
        details["chart"] = _chart(lane)
    return parts


def _chart(lane: Lane) -> Mapping[str, object]:
    """Give the last hour, one point a minute: [ms, value], null where there was none."""
    scores: list[list[float | None]] = []
    last = 0
    for at, value in reversed(lane.past.samples):
        if at // MINUTE == last:
            continue
        last = at // MINUTE
        scores.append([at, None if value is None else round(value, 2)])
        if len(scores) == POINTS:
            break
    closed = lane.market.candles.series[Timeframe.M1].closed
    prices = [[each.open_time + MINUTE, each.close] for each in closed[-POINTS:]]
    return {"score": scores[::-1], "price": prices}


def report_of(content: Content, at: Millis, source: str) -> Alert:
    """Make the report of the market that is told on a schedule; it needs no answer."""
    state, summed = content.across.state, content.overview[0]
    scored = [each for each in content.shown if each.view.score.score is not None]
    scored.sort(key=lambda each: (-abs((each.view.score.score or 50.0) - 50.0), each.symbol))
    top = [
        {
            "symbol": each.symbol,
            "score": each.view.score.score,
            "direction": None if each.view.direction is None else each.view.direction.value,
            "coverage": each.view.score.coverage,
        }
        for each in scored[:TOP]
    ]
    market: dict[str, object] = {
        "regime": state.regime,
        "trend_strength": state.trend_strength,
        "volatility": state.volatility,
        "breadth": summed.breadth,
        "bitcoin_share": summed.btc_dominance,
        "turnover_24h": summed.total_volume_24h,
    }
    words = [
        f"{name.replace('_', ' ')} {figure(value) if isinstance(value, float) else value}"
        for name, value in market.items()
        if value is not None
    ]
    strongest = [
        f"{each.symbol} {figure(each.view.score.score or 0.0)} "
        f"({each.view.score.coverage:.0%} of its weight seen)"
        for each in scored[:TOP]
    ]
    text = (
        f"{source_words(source)}Market report - {'; '.join(words) or 'the market is not known yet'}"
        f". Strongest pressure: {', '.join(strongest) or 'no symbol has a score'}. "
        f"{len(scored)} of {len(content.shown)} symbols have a score. Source: {source}."
    )
    return Alert(
        id=alert_id("market-report", "", at, source),
        at=at,
        level=AlertLevel.INFO,
        rule="market-report",
        kind="report",
        source=source,
        symbol=None,
        message=text,
        details={"title": "Market report", "market": market, "top": top},
        state=AlertState.RESOLVED,
    )
