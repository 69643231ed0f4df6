"""The texts of messages: plain, escaped for Markdown, cut, with their age when they are late."""

import re
from typing import Final

from virtuoso.domain.alerts import Alert, Outgoing
from virtuoso.domain.scores import Source
from virtuoso.domain.time import HOUR, MINUTE, SECOND

LATE_MS: Final = MINUTE
LONGEST: Final = 2_000
NAMED: Final = 12
_MARKS: Final = re.compile(r"([\\*_`~|>\[\]()#<:])")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def plain_text(message: Outgoing) -> str:
    """Say a message in words: one alert, or a storm of one rule told together."""
    first = message.alerts[0]
    text = first.message
    if len(message.alerts) > 1:
        named = [each.symbol or each.source for each in message.alerts]
        more = "" if len(named) <= NAMED else f" and {len(named) - NAMED} more"
        head = "SIMULATED: " if first.source == Source.SIMULATOR else ""
        title = first.details.get("title", first.rule)
        text = (
            f"{head}{title}: {len(named)} alerts - {', '.join(named[:NAMED])}{more}. "
            f"The first: {first.message}"
        )
    if message.late_ms > LATE_MS:
        text = f"{age(message.late_ms)} late: {text}"
    return _CONTROLS.sub(" ", text)


def age(ms: int) -> str:
    """Write a duration."""
    if ms >= 2 * HOUR:
        return f"{ms / HOUR:.1f} h"
    if ms >= 2 * MINUTE:
        return f"{ms // MINUTE} min"
    return f"{ms // SECOND} s"


def escaped(text: str) -> str:
    """Write a text so that Markdown shows it as it is, and nobody is called by it."""
    return _MARKS.sub(r"\\\1", _CONTROLS.sub(" ", text)).replace("@", "@\u200b")


def cut(text: str, most: int = LONGEST) -> str:
    """Cut a text to a length in UTF-16 units, as Discord counts; never through an escape."""
    units = text.encode("utf-16-le")
    if len(units) <= 2 * most:
        return text
    short = units[: 2 * (most - 4)].decode("utf-16-le", errors="ignore")
    return short.rstrip("\\") + "..."


def ids(message: Outgoing) -> str:
    """Name the alerts of a message: whoever gets one twice knows it by that."""
    return " ".join(each.id for each in message.alerts)


def subject(alert: Alert) -> str:
    """Write the line of a mail."""
    title = _CONTROLS.sub(" ", str(alert.details.get("title", alert.rule)))
    head = "SIMULATED: " if alert.source == Source.SIMULATOR else ""
    return f"{head}{title}{'' if alert.symbol is None else f': {alert.symbol}'}"[:120]
