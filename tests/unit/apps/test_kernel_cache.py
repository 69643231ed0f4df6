"""Kernels where the package may not be written."""

import os
import stat
from pathlib import Path

import pytest

from virtuoso.apps.kernel_cache import PARTS, VARIABLE, keep_kernels


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with room for kernels."""
    root = tmp_path / "package"
    for part in PARTS:
        (root / part).mkdir(parents=True)
        (root / part / "__init__.py").write_text("", "utf-8")
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
