"""`make proofs`: every law of the score on every recorded market, as a table, law by law.

Ends with 1 when a law was broken. The same recordings give the same table.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from math import isfinite
from pathlib import Path

from rich.console import Console
from rich.table import Table

from proofs import replay_laws
from proofs.candle_laws import Finding, Spread
from proofs.examination import BANDS, LAWS, Examination, examine, markets

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
SHOWN = 20
"""Broken laws named under the table."""


def main() -> int:
    """Examine candles, then recordings of streams; print what was found."""
    arguments = _parser().parse_args()
    recordings = Path(os.environ.get("VIRTUOSO_RECORDINGS") or RECORDINGS)
    if not (recordings / "MANIFEST.csv").is_file():
        sys.stderr.write(f"expected recordings, found none at {recordings}\n")
        return 2
    console, began = Console(width=140), time.monotonic()
    broken: list[str] = []
    if arguments.part != "streams":
        broken += _examine_candles(console, recordings, arguments.only, arguments.processes)
    if arguments.part != "candles":
        broken += _print_replays(console, recordings)
    for line in broken[:SHOWN]:
        console.print(line, markup=False)
    console.print(f"{len(broken)} broken, {(time.monotonic() - began) / 60.0:.1f} minutes")
    return int(bool(broken))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make proofs")
    parser.add_argument("part", nargs="?", choices=("candles", "streams"), help="one part alone")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="files of candles whose name contains this")
    return parser


def _examine_candles(console: Console, recordings: Path, only: str, processes: int) -> list[str]:
    wanted = [each for each in markets(recordings) if only in each.name]
    # the longest first, so that no process is left alone with it at the end
    wanted.sort(key=lambda each: -each.path.stat().st_size)
    with ProcessPoolExecutor(processes) as pool:
        examined = sorted(pool.map(examine, wanted), key=lambda each: each.name)
    broken = _print_laws(console, examined)
    broken += _print_spreads(console, examined)
    _print_member_spreads(console, examined)
    return broken


def _print_laws(console: Console, examined: Iterable[Examination]) -> list[str]:
    table = _table("Members on candles", "law", "series", "compared", "wrong", "largest")
    broken = []
    for law in LAWS:
        found = [(each.name, finding) for each in examined for finding in each.findings[law]]
        _add_row(table, law, len(found), [finding for _, finding in found])
        broken += [f"{law}: {name}: {finding}" for name, finding in found if finding.wrong]
    console.print(table)
    return broken


def _print_spreads(console: Console, examined: Iterable[Examination]) -> list[str]:
    table = _table(
        "Scores of each market", "", "above 80", "below 20", "band", "sd of z", "markets", "outside"
    )
    broken = []
    for name, band in BANDS.items():
        spreads = {each.name: each.spreads[name] for each in examined}
        outside = [f"{at}: {name}: {each}" for at, each in spreads.items() if band.misses(each)]
        table.add_row(
            name,
            *_ranges(spreads),
            f"{band.low:.2f} to {band.high:.2f}",
            _range(each.deviation for each in spreads.values()),
            str(len(spreads)),
            str(len(outside)),
        )
        broken += outside
    console.print(table)
    return broken


def _print_member_spreads(console: Console, examined: Iterable[Examination]) -> None:
    table = _table("Members of the shortest timeframe", "member", "above 80", "below 20")
    for name in next(iter(examined)).member_spreads:
        table.add_row(name, *_ranges({e.name: e.member_spreads[name] for e in examined}))
    console.print(table)


def _print_replays(console: Console, recordings: Path) -> list[str]:
    table = _table("Streams", "law", "recording", "compared", "wrong", "largest", "")
    broken = []
    straight = replay_laws.play(recordings, replay_laws.AUGUST, replay_laws.EAGER)
    mirror = replay_laws.Mirror(replay_laws.MIDDLES)
    laws: tuple[tuple[str, str, Callable[[], Finding]], ...] = (
        ("same bytes", "August 2024", lambda: _bytes(recordings, replay_laws.AUGUST)),
        ("same bytes", "April 2023", lambda: _bytes(recordings, replay_laws.APRIL)),
        ("truncation", "April 2023", lambda: replay_laws.looks_ahead(recordings)),
        (
            "mirror",
            "August 2024",
            lambda: replay_laws.is_lopsided(
                straight,
                replay_laws.play(recordings, replay_laws.AUGUST, replay_laws.EAGER, mirror),
            ),
        ),
        ("none missing, none constant", "August 2024", lambda: _present(straight)),
        (
            "none missing, none constant",
            "April 2023",
            lambda: _present(replay_laws.play(recordings, replay_laws.APRIL, replay_laws.EAGER)),
        ),
    )
    for law, recording, examine_it in laws:
        found = examine_it()
        table.add_row(
            law,
            recording,
            f"{found.compared:,}",
            str(found.wrong),
            f"{found.worst:.1e}",
            found.remark,
        )
        if found.wrong:
            broken.append(f"{law}: {recording}: {found}")
    console.print(table)
    return broken


def _bytes(recordings: Path, files: tuple[str, ...]) -> Finding:
    return replay_laws.has_other_bytes(recordings, files)


def _present(found: replay_laws.Play) -> Finding:
    return replay_laws.is_missing_or_constant(found)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if 0 < number < 6 else "left")
    return table


def _add_row(table: Table, law: str, series: int, found: list[Finding]) -> None:
    table.add_row(
        law,
        str(series),
        f"{sum(each.compared for each in found):,}",
        str(sum(each.wrong for each in found)),
        f"{max((each.worst for each in found), default=0.0):.2g}",
    )


def _ranges(spreads: Mapping[str, Spread]) -> tuple[str, str]:
    return (
        _range(each.above_80 for each in spreads.values()),
        _range(each.below_20 for each in spreads.values()),
    )


def _range(numbers: Iterable[float]) -> str:
    known = sorted(each for each in numbers if isfinite(each))
    return f"{known[0]:.2f} to {known[-1]:.2f}" if known else "-"


if __name__ == "__main__":
    sys.exit(main())
