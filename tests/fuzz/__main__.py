"""`make fuzz`: spoiled frames into the decoders, and whole streams from door to score.

Prints executions, what was refused, crashes and non-finite numbers; ends with 1 when there were
any. The same seed does the same.
"""

import argparse
import itertools
import os
import random
import sys
import time
from pathlib import Path

from fuzz.corpus import recorded
from fuzz.decoders import Tally, frames_of, run_decoder
from fuzz.way_in import How, WayIn, WrongError
from virtuoso.domain.instruments import BINANCE, BYBIT

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
HOWS: tuple[How, ...] = ("order", "everything")
STREAM_FRAMES = 20_000
"""After so many frames a stream begins anew, with another seed."""
SHOWN = 5


def main() -> int:
    """Fuzz for the time that is asked for, half of it the decoders."""
    arguments = _parser().parse_args()
    seed: int = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    recordings = Path(os.environ.get("VIRTUOSO_RECORDINGS") or RECORDINGS)
    found = recordings if (recordings / "MANIFEST.csv").is_file() else None
    _say(f"seed {seed}; recorded frames: {'yes' if found else f'none at {recordings}'}")
    share = arguments.seconds / 4
    failed = False
    for venue in (BYBIT, BINANCE):
        frames = frames_of(venue, seed, found)
        began = time.monotonic()
        tally = run_decoder(venue, frames, seed, arguments.executions, share)
        failed |= _report(f"decoder of {venue}", tally, time.monotonic() - began)
    for venue in (BYBIT, BINANCE):
        foreign = [] if found is None else recorded(venue, found)
        tally, began = Tally(), time.monotonic()
        for number in itertools.count():
            left = share - (time.monotonic() - began)
            if left <= 0 or tally.executions >= arguments.executions:
                break
            how = HOWS[number % len(HOWS)]
            way = WayIn(venue, seed + number, how, foreign)
            try:
                way.run(min(STREAM_FRAMES, arguments.executions), left)
            except WrongError as error:
                tally.crashes.append(f"seed {seed + number}, {how}: {error}")
            tally.add(way.tally)
        failed |= _report(f"door to score, {venue}", tally, time.monotonic() - began)
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=float, default=240.0, help="in all (default: 240)")
    parser.add_argument("--executions", type=int, default=10**9, help="at most, of each part")
    parser.add_argument("--seed", type=int, help="default: a new one")
    return parser


def _report(what: str, tally: Tally, seconds: float) -> bool:
    rate = tally.executions / max(seconds, 1e-9)
    _say(
        f"{what}: {tally.executions:,} executions in {seconds:.0f} s ({rate:,.0f}/s), "
        f"{tally.refused:,} refused, {tally.events:,} events; "
        f"crashes {len(tally.crashes)}, non-finite {len(tally.non_finite)}"
    )
    for text in (tally.crashes + tally.non_finite)[:SHOWN]:
        _say(f"  {text}")
    return bool(tally.crashes or tally.non_finite)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
