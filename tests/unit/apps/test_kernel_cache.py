"""Kernels where the package may not be written."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from virtuoso.apps.kernel_cache import PARTS, VARIABLE, keep_kernels

KERNEL = """
from numba import njit

@njit(cache=True)
def twice(number):
    return number * 2
"""
PROGRAM = """
import os, sys
from pathlib import Path
from virtuoso.apps.kernel_cache import keep_kernels
keep_kernels(Path(sys.argv[1]), os.environ, Path(sys.argv[2]))
sys.path.insert(0, sys.argv[2])
from indicators.kernel import twice
twice(3)
print(sum(twice.stats.cache_hits.values()), sum(twice.stats.cache_misses.values()))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with one kernel."""
    root = tmp_path / "package"
    for part in PARTS:
        (root / part).mkdir(parents=True)
        (root / part / "__init__.py").write_text("", "utf-8")
    (root / "indicators" / "kernel.py").write_text(KERNEL, "utf-8")
    return root


@pytest.fixture
def nobody_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, whatever the mode says: the question is answered instead."""
    monkeypatch.setattr(os, "access", lambda *_: False)


def test_a_package_that_may_be_written_keeps_its_own_kernels(tmp_path: Path, package: Path) -> None:
    """Nothing is copied, numba goes on as it would."""
    environment: dict[str, str] = {}
    keep_kernels(tmp_path / "state", environment, package)
    assert environment == {}
    assert not (tmp_path / "state").exists()


@pytest.mark.usefixtures("nobody_writes")
def test_what_an_operator_set_stands(tmp_path: Path, package: Path) -> None:
    """NUMBA_CACHE_DIR may be given."""
    environment = {VARIABLE: "/elsewhere"}
    keep_kernels(tmp_path / "state", environment, package)
    assert environment == {VARIABLE: "/elsewhere"}


@pytest.mark.usefixtures("nobody_writes")
def test_another_source_is_another_folder_and_the_old_one_goes(
    tmp_path: Path, package: Path
) -> None:
    """A kernel of yesterday never computes a score of today."""
    state, environment = tmp_path / "state", dict[str, str]()
    keep_kernels(state, environment, package)
    first = Path(environment.pop(VARIABLE))
    assert stat.S_IMODE(first.stat().st_mode) == 0o700
    keep_kernels(state, environment, package)
    assert Path(environment.pop(VARIABLE)) == first
    with (package / "components" / "__init__.py").open("a", encoding="utf-8") as source:
        source.write("x = 1\n")
    keep_kernels(state, environment, package)
    assert environment[VARIABLE] != str(first)
    assert list((state / "kernels").iterdir()) == [Path(environment[VARIABLE])]


@pytest.mark.usefixtures("nobody_writes")
@pytest.mark.parametrize(("age_s", "copied"), [(0, 1), (60, 0)])
def test_what_was_compiled_before_its_sources_is_not_taken(
    tmp_path: Path, package: Path, age_s: int, copied: int
) -> None:
    """A program brought up to date without `make setup` compiles anew and says so."""
    compiled = package / "indicators" / "__pycache__" / "kernel.twice-5.py311.nbi"
    compiled.parent.mkdir()
    compiled.write_bytes(b"")
    written = (package / "components" / "__init__.py").stat().st_mtime + 1
    os.utime(compiled, (written - age_s, written - age_s))
    keep_kernels(tmp_path / "state", {}, package)
    assert len(list((tmp_path / "state").rglob("*.nbi"))) == copied


@pytest.mark.usefixtures("nobody_writes")
def test_a_state_folder_that_cannot_be_written_leaves_numba_to_itself(
    tmp_path: Path, package: Path
) -> None:
    """A command that computes nothing needs no kernels."""
    (tmp_path / "state").write_text("a file", "utf-8")
    environment: dict[str, str] = {}
    keep_kernels(tmp_path / "state", environment, package)
    assert environment == {}


def test_what_was_compiled_beside_the_sources_is_used_and_not_compiled_again(
    tmp_path: Path, package: Path
) -> None:
    """The first start of a service is as quick as every other; numba itself says so."""
    run = [sys.executable, "-c", PROGRAM, str(tmp_path / "state"), str(package)]

    def hits_and_misses(**more: str) -> list[int]:
        found = subprocess.run(
            run, env={**os.environ, **more}, capture_output=True, text=True, check=True, timeout=120
        )
        return [int(word) for word in found.stdout.split()]

    assert hits_and_misses() == [0, 1]
    compiled = package / "indicators" / "__pycache__"
    beside = {file.name: file.read_bytes() for file in compiled.glob("*.nb*")}
    assert len(beside) == 2
    # a file where the folder would be: what even root cannot write into
    environment: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        keep_kernels(tmp_path / "state", environment, package)
    shutil.rmtree(compiled)
    assert hits_and_misses(**environment) == [1, 0]
