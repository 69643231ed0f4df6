"""systemd's own reader takes the units of deploy/ as they are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
EXPOSURE = 2.0
"""What systemd-analyze gives a service that may do little: 0 nothing, 10 everything."""
NEWER = ("RestartSteps", "RestartMaxDelaySec")
"""Words that a systemd of Debian 12 does not know yet, and passes over."""


UNITS = sorted(DEPLOY.glob("*.service"))


def analyzer() -> str:
    """The program that reads units."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze: tools/install_test_servers.sh installs it")
    return program


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_systemd_understands_the_units(unit: Path, tmp_path: Path) -> None:
    """It finds nothing wrong but the programs that are not installed here."""
    copy = tmp_path / unit.name.replace("@.", "@one.")
    text = unit.read_text("utf-8")
    copy.write_text(text.replace("/opt/virtuoso/.venv/bin/virtuoso", "/bin/true"), "utf-8")
    found = subprocess.run(
        [analyzer(), "verify", "--man=no", copy], capture_output=True, text=True, check=False
    )
    ours = [line for line in found.stderr.splitlines() if copy.name in line]
    assert [line for line in ours if not any(each in line for each in NEWER)] == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_systemd_finds_little_that_a_unit_could_do(unit: Path, tmp_path: Path) -> None:
    """Each of them, also the one that only says that another was given up. threat: S22."""
    copy = tmp_path / unit.name.replace("@.", "@one.")
    copy.write_bytes(unit.read_bytes())
    found = subprocess.run(
        [analyzer(), "security", "--offline=true", "--no-pager", copy],
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.search(r"Overall exposure level for .*: ([0-9.]+) ", found.stdout)
    assert said is not None, found.stderr
    assert float(said[1]) <= EXPOSURE
