"""How numbers and their absence look in a terminal, the same in every command."""

import sys
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.text import Text

from virtuoso.domain.scores import Reason, Source, State

ABSENT: Final = "—"
PIPE_WIDTH: Final = 140
"""Columns where there is no terminal to ask: wide enough that nothing is cut."""


def console() -> Console:
    """Where tables are printed."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def score(value: float | None) -> Text:
    """A score from 0 to 100, coloured by its side of 50; absent is a dash, never a number."""
    if value is None:
        return Text(ABSENT, style="dim")
    style = "green" if value >= 60 else "magenta" if value <= 40 else ""
    return Text(f"{value:.1f}", style=style)


def signed(value: float | None, unit: str = "", digits: int = 2) -> Text:
    """A number that has a sign."""
    if value is None:
        return Text(ABSENT, style="dim")
    return Text(f"{value:+.{digits}f}{unit}", style="green" if value > 0 else "magenta")


def number(value: float | None, digits: int = 2) -> Text:
    """A plain number."""
    return Text(ABSENT, style="dim") if value is None else Text(f"{value:,.{digits}f}")


def price(value: float | None) -> Text:
    """A price with the digits that its size needs."""
    if value is None:
        return Text(ABSENT, style="dim")
    digits = 2 if value >= 100 else 4 if value >= 1 else 8
    return Text(f"{value:,.{digits}f}")


def age(as_of: int | None, now: int) -> Text:
    """How long ago, in the largest unit that fits."""
    if as_of is None:
        return Text(ABSENT, style="dim")
    seconds = max(now - as_of, 0) / 1_000
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return Text(f"{seconds / length:.1f} {unit}")
    return Text(f"{seconds:.1f} s")


def state(value: State, reason: Reason | None) -> Text:
    """A freshness mark in words."""
    words = str(value) if reason is None else f"{value} ({reason_text(reason)})"
    styles = {State.LIVE: "green", State.DELAYED: "yellow", State.STALE: "red"}
    return Text(words, style=styles.get(value, "dim"))


def reason_text(reason: Reason) -> str:
    """A reason as it reads in a sentence."""
    return str(reason).replace("_", " ")


def source_text(source: Source) -> Text:
    """Where data come from; simulated data say so loudly."""
    if source is Source.SIMULATOR:
        return Text(" SIMULATED ", style="black on yellow")
    return Text(str(source))


def clock(at: int) -> str:
    """An instant, always in UTC and saying so."""
    return datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
