"""systemd's own reader takes the units of deploy/ as they are."""

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
NEWER = ("RestartSteps", "RestartMaxDelaySec")
"""Words that a systemd of Debian 12 does not know yet, and passes over."""


@pytest.mark.parametrize("unit", sorted(DEPLOY.glob("*.service")), ids=lambda unit: str(unit.name))
def test_systemd_understands_the_units(unit: Path, tmp_path: Path) -> None:
    """It finds nothing wrong but the programs that are not installed here."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze: tools/install_test_servers.sh installs it")
    copy = tmp_path / unit.name.replace("@.", "@one.")
    text = unit.read_text("utf-8")
    copy.write_text(text.replace("/opt/virtuoso/.venv/bin/virtuoso", "/bin/true"), "utf-8")
    found = subprocess.run(
        [program, "verify", "--man=no", copy], capture_output=True, text=True, check=False
    )
    ours = [line for line in found.stderr.splitlines() if copy.name in line]
    assert [line for line in ours if not any(each in line for each in NEWER)] == []
