"""The beginnings of recordings, for tests that need frames of a real venue but not minutes."""

import gzip
from collections.abc import Sequence
from pathlib import Path

AUGUST = ("replay/binance_usdm/btcusdt_20240808.gz", "replay/binance_usdm/ethusdt_20240808.gz")
"""Two symbols that were recorded beside each other; whole they take a replay half a minute."""


def beginning(recordings: Path, files: Sequence[str], folder: Path, seconds: int) -> str:
    """Copy the first seconds of recordings to a folder, and name the copies as `replay:` does."""
    copies = [folder / Path(file).name for file in files]
    for file, copy in zip(files, copies, strict=True):
        with gzip.open(recordings / file) as whole, gzip.open(copy, "wb", 1) as cut:
            first = whole.readline()
            end = _nanoseconds(first) + seconds * 1_000_000_000
            cut.write(first)
            for line in whole:
                if _nanoseconds(line) >= end:
                    break
                cut.write(line)
    return ",".join(map(str, copies))


def _nanoseconds(line: bytes) -> int:
    return int(line.partition(b" ")[0])
