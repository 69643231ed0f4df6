"""The bytes of the dashboards as they were built."""

import gzip
import re
from collections.abc import Sequence
from pathlib import Path

from virtuoso.web.pages import STATIC


def first_view(page: str, ending: str) -> Sequence[Path]:
    """Give the files that a page names, and those that they import before they can run."""
    text = (STATIC / page).read_text("utf-8")
    left = [STATIC / name for name in re.findall(r'(?:src|href)="/(assets/[^"]+)"', text)]
    found: list[Path] = []
    while left:
        file = left.pop()
        if file not in found:
            found.append(file)
            imported = re.findall(r'(?:from|import)"\./([^"]+)"', file.read_text("utf-8"))
            left += [file.parent / name for name in imported]
    return [file for file in found if file.suffix == ending]


def gzipped(files: Sequence[Path]) -> int:
    """Bytes as a client with gzip gets them."""
    assert files
    return sum(len(gzip.compress(file.read_bytes(), 9, mtime=0)) for file in files)
