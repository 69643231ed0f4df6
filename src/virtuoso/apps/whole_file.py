"""A result that is there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from virtuoso.domain.errors import SettingsError


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for what is written meanwhile; it takes its place at the end, if that is reached.

    What was there before stays until then. A device or a pipe is written to directly. Raises
    SettingsError where it cannot be opened.
    """
    direct = path.exists() and not path.is_file()
    beside = path if direct else path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        out = beside.open("wb")
    except OSError as error:
        msg = f"expected --out to name a file that can be written: {error.strerror}: {path}"
        raise SettingsError(msg) from error
    try:
        with out:
            yield out
        if not direct:
            beside.replace(path)
    finally:
        if not direct:
            beside.unlink(missing_ok=True)
