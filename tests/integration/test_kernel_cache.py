"""numba begins where a service may write nothing but its state."""

import os
import subprocess
import sys
from pathlib import Path

from virtuoso.apps.kernel_cache import PARTS

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


def test_what_was_compiled_beside_the_sources_is_used_and_not_compiled_again(
    tmp_path: Path,
) -> None:
    """Numba itself says that it read all; without our folder it would refuse to begin."""
    package = tmp_path / "package"
    for part in PARTS:
        (package / part).mkdir(parents=True)
        (package / part / "__init__.py").write_text("", "utf-8")
    (package / "indicators" / "kernel.py").write_text(KERNEL, "utf-8")
    assert hits_and_misses(tmp_path, package) == [0, 1]
    folders = [package, *(each for each in package.rglob("*") if each.is_dir())]
    assert package / "indicators" / "__pycache__" in folders
    for folder in folders:
        folder.chmod(0o555)
    assert hits_and_misses(tmp_path, package) == [1, 0]
    assert len(list((tmp_path / "state" / "kernels").rglob("*.nbc"))) == 1


def hits_and_misses(tmp_path: Path, package: Path) -> list[int]:
    """Run the kernel in a process that modes bind, root's too, and that has no home."""
    bound = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "state"), str(package)]
    found = subprocess.run(
        [*bound, *program] if os.geteuid() == 0 else program,
        env={"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "HOME": "/proc"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    return [int(word) for word in found.stdout.split()]
