"""The laws of what streams, on recordings of a real venue played through the whole engine."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from proofs.candle_laws import Finding
from virtuoso.apps.replay import document_in, edition_of, replay_headless, whole_line
from virtuoso.apps.scoring import lane_maker
from virtuoso.apps.settings_sources import default_settings
from virtuoso.apps.sources import open_replay
from virtuoso.components.orderflow import LIQUIDATIONS
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    FeedEvent,
    MarketEvent,
    Quote,
    Side,
    Trade,
)
from virtuoso.domain.scores import ComponentName, Reason
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.timeline import Timeline
from virtuoso.indicators.stream_window import StreamLimits
from virtuoso.scoring.definition import Definition

AUGUST: Final = ("btcusdt_20240808.gz", "ethusdt_20240808.gz")
APRIL: Final = ("btcusdt_20230404.dat.gz", "btcusdt_20230405.dat.gz")
STREAMED: Final = (ComponentName.ORDERBOOK, ComponentName.ORDERFLOW)
TOLERANCE: Final = 1e-9

EAGER: Final = Definition(stream_limits=StreamLimits(minimum=60, minimum_sizes=30))
"""Ranks a stream after a minute: recordings are shorter than what is usually waited for."""

Key = tuple[str, str]
"""Symbol and member."""

Change = Callable[[FeedEvent], FeedEvent]


def paths(recordings: Path, files: Iterable[str]) -> str:
    """Name recordings of the perpetuals at once."""
    return ",".join(str(recordings / "replay" / "binance_usdm" / file) for file in files)


def hours(recordings: Path) -> Path:
    """The candles that came before the recordings."""
    return recordings / "candles" / "binance_usdm_1h"


@dataclass
class Play:
    """What a recording gave, second by second."""

    documents: list[bytes] = field(default_factory=list)
    x: dict[Key, list[float]] = field(default_factory=dict)
    scores: dict[Key, list[float]] = field(default_factory=dict)
    """NaN where there is none."""
    reasons: dict[Key, list[Reason | None]] = field(default_factory=dict)


def play(
    recordings: Path,
    files: Sequence[str],
    definition: Definition | None = None,
    change: Change | None = None,
) -> Play:
    """Play recordings through the engine, each event changed on its way if asked for."""
    return asyncio.run(_play(recordings, files, definition or Definition(), change))


async def _play(
    recordings: Path, files: Sequence[str], definition: Definition, change: Change | None
) -> Play:
    source = open_replay(paths(recordings, files), None, hours(recordings))
    instruments = sorted(source.instruments or ())
    make_lane = lane_maker(definition, source.feed.venue, source.feed.source)
    pipeline = Pipeline(instruments, (), definition, make_lane)
    timeline, found = Timeline(pipeline), Play()
    async for event in whole_line(source):
        for second in timeline.steps(event if change is None else change(event)):
            if second is not None:
                found.documents.append(
                    document_in(edition_of(pipeline, source.feed.source, source.epoch or ""))
                )
                _note(found, pipeline)
    return found


def _note(found: Play, pipeline: Pipeline) -> None:
    cycle = pipeline.view()
    for market in () if cycle is None else cycle.markets:
        for name in STREAMED:
            for member in market.score.components[name].members:
                key = str(market.instrument.symbol), member.name
                x, score = member.x, member.score
                found.x.setdefault(key, []).append(np.nan if x is None else x)
                found.scores.setdefault(key, []).append(np.nan if score is None else score)
                found.reasons.setdefault(key, []).append(member.reason)


def has_other_bytes(recordings: Path, files: Sequence[str]) -> Finding:
    """Replay: twice in this process, and in two others that hash in another order."""
    with TemporaryDirectory() as folder:
        outs = [Path(folder) / f"{number}.jsonl" for number in range(4)]
        for out in outs[:2]:
            replay_headless(default_settings(), paths(recordings, files), hours(recordings), out)
        for seed, out in zip(("1", "2"), outs[2:], strict=True):
            _replay_elsewhere(recordings, files, out, seed)
        first, *others = (out.read_bytes() for out in outs)
    lines = first.count(b"\n")
    wrong = sum(other != first for other in others) + (lines == 0)
    return Finding(len(first) * len(others), wrong, remark=f"{lines} documents, 4 plays")


def _replay_elsewhere(recordings: Path, files: Sequence[str], out: Path, seed: str) -> None:
    words = [sys.executable, "-c", "from virtuoso.apps.cli import main; main()", "replay"]
    words += [paths(recordings, files), "--candles", str(hours(recordings)), "--out", str(out)]
    environment = os.environ | {"PYTHONHASHSEED": seed}
    subprocess.run(words, check=True, timeout=300, cwd=out.parent, env=environment)


def looks_ahead(recordings: Path) -> Finding:
    """Truncation: a recording alone gives the documents it gives when another one follows it.

    The last two seconds of the shorter play are left out: it ends within them.
    """
    whole = play(recordings, APRIL).documents
    part = play(recordings, APRIL[:1]).documents[:-2]
    wrong = sum(one != other for one, other in zip(part, whole, strict=False))
    return Finding(len(part), wrong + (len(part) < 60), remark=f"{len(part)} of {len(whole)}")


def is_missing_or_constant(found: Play) -> Finding:
    """None is NaN, none without a reason, none outside 0..100, and those that are known move.

    Nobody was liquidated in a recording that has no such stream: that member may stand still.
    """
    wrong: list[str] = []
    compared = 0
    silent = set()
    for key, reasons in found.reasons.items():
        scores, x = np.array(found.scores[key]), np.array(found.x[key])
        compared += len(scores)
        unexplained = np.isnan(scores) != np.array([each is not None for each in reasons])
        if unexplained.any():
            wrong.append(f"{key} without score and reason")
        known = scores[np.isfinite(scores)]
        if ((known < 0.0) | (known > 100.0)).any() or np.isinf(x).any():
            wrong.append(f"{key} out of bounds")
        moving = x[np.isfinite(x)]
        if len(moving) >= 30 and len(np.unique(moving)) < 2 and key[1] != LIQUIDATIONS:
            wrong.append(f"{key} constant")
        if not len(known):
            silent.add(f"{key[1]} ({reasons[-1]})")
    remark = "; ".join(wrong) or "never scored: " + (", ".join(sorted(silent)) or "none")
    return Finding(compared, len(wrong), remark=remark)


class Mirror:
    """Turns a market upside down: log prices about a middle, bids and asks, buyers and sellers."""

    def __init__(self, middles: Mapping[str, float]) -> None:
        self._squares = {symbol: middle * middle for symbol, middle in middles.items()}

    def __call__(self, event: FeedEvent) -> FeedEvent:
        """Turn one event; candles stay, because only their volume is used here."""
        if not isinstance(event, MarketEvent):
            return event
        square, data = self._squares[str(event.instrument.symbol)], event.data
        match data:
            case BookSnapshot() | BookDelta():
                turned: object = replace(
                    data,
                    bids=[(square / price, quantity) for price, quantity in data.asks],
                    asks=[(square / price, quantity) for price, quantity in data.bids],
                )
            case Quote():
                turned = Quote(
                    square / data.ask,
                    data.ask_quantity,
                    square / data.bid,
                    data.bid_quantity,
                    data.sequence,
                )
            case Trade():
                side = Side.SELL if data.side is Side.BUY else Side.BUY
                turned = data._replace(price=square / data.price, side=side)
            case _:
                turned = data
        return event._replace(data=turned)


MIDDLES: Final = {"BTCUSDT": 61_700.0, "ETHUSDT": 2_680.0}
"""Near the prices of August 2024, so that both worlds have prices of the same size."""

READ_PRICES: Final = ("outer@", "taker_flow@", "large_orders@")
"""Members that take a price as a size (a distance of 10 bp, a notional), which has no mirror: at
its edge a level or an order may fall on the other side."""


def is_lopsided(straight: Play, turned: Play) -> Finding:
    """Mirror: x into -x and s into 100 - s, in every second, of every member that can be exact."""
    compared = wrong = 0
    worst = 0.0
    for key, scores in straight.scores.items():
        if key[1].startswith(READ_PRICES):
            continue
        one, other = np.array(scores), 100.0 - np.array(turned.scores[key])
        known = np.isfinite(one) & np.isfinite(other)
        away = np.abs(one - other)[known]
        compared += len(away)
        wrong += int((away > TOLERANCE).sum()) + int((np.isnan(one) != np.isnan(other)).sum())
        worst = max(worst, float(away.max(initial=0.0)))
    return Finding(compared, wrong + (compared == 0), worst)
