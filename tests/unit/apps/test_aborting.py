"""What is left of a process that a watchdog ended."""

import signal
import subprocess
import sys

HANGS = """
import os
from virtuoso.apps.cli import _begin_logs
from virtuoso.apps.settings_sources import default_settings

def hanging(secret):
    os.kill(os.getpid(), 6)

_begin_logs(default_settings(), None)
hanging("a value that nobody may see")
"""


def test_where_it_hung_is_said_and_no_value() -> None:
    """SIGABRT, as systemd's watchdog sends it: the lines that ran, and no dump of memory."""
    found = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in found.stderr
    assert "in hanging" in found.stderr
    assert "nobody may see" not in found.stderr
