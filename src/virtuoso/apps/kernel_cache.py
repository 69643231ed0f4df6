"""Where the compiled kernels are kept when nobody may write beside their sources."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

import structlog

PACKAGE: Final = Path(__file__).parents[1]
PARTS: Final = ("indicators", "components")
"""The packages that hold kernels."""
VARIABLE: Final = "NUMBA_CACHE_DIR"

log = structlog.get_logger()


def keep_kernels(
    state: Path, environment: MutableMapping[str, str], package: Path = PACKAGE
) -> None:
    """Have numba keep the kernels below the state folder, where the package cannot be written.

    numba does not even read a folder that it may not write, and without any it refuses to begin: a
    service that may write nothing but its state would never start. The folder begins with what
    `virtuoso compile` left beside the sources, unless one of these is younger, and is named after
    them all: numba does not notice that a kernel which another one calls has changed. Must come
    before numba is loaded.
    """
    if environment.get(VARIABLE) or all(_writable(package / part) for part in PARTS):
        return
    kept = state / "kernels"
    folder = kept / _fingerprint(package)
    try:
        if not folder.is_dir():
            _begin(folder, package)
        for other in kept.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
    except OSError as error:
        # numba may know another place, and says itself when it does not
        log.warning("kernels_not_kept", folder=str(folder), reason=str(error))
        return
    environment[VARIABLE] = str(folder)


def _writable(part: Path) -> bool:
    compiled = part / "__pycache__"
    return os.access(compiled if compiled.is_dir() else part, os.W_OK)


def _fingerprint(package: Path) -> str:
    """A name that is another one as soon as any source with kernels is another one."""
    digest = hashlib.sha256()
    for source in _files(package, "*.py"):
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _files(package: Path, pattern: str) -> list[Path]:
    return sorted(file for part in PARTS for file in (package / part).rglob(pattern))


def _begin(folder: Path, package: Path) -> None:
    """Make the folder with what is compiled already; another process may do the same just now."""
    state = folder.parents[1]
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    newest = max(source.stat().st_mtime for source in _files(package, "*.py"))
    compiled = _files(package, "*.nb[ic]")
    if any(file.stat().st_mtime < newest for file in compiled):
        log.warning("kernels_out_of_date", advice="virtuoso compile")
        compiled = []
    with tempfile.TemporaryDirectory(prefix=".", dir=state) as beside:
        fresh = Path(beside) / folder.name
        fresh.mkdir(mode=0o700)
        for file in compiled:
            place = fresh / _name(file.parents[1])
            place.mkdir(mode=0o700, exist_ok=True)
            shutil.copyfile(file, place / file.name)
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise


def _name(part: Path) -> str:
    """What numba calls the folder of one package below its own."""
    return f"{part.name}_{hashlib.sha1(str(part).encode()).hexdigest()}"  # noqa: S324 - numba's name
