"""The dashboards' types, generated from the wire."""

import sys
from pathlib import Path

from virtuoso.apps.arguments import SCHEMA_FILE
from virtuoso.wire.schema import typescript


def _path() -> Path:
    return Path(__file__).parents[3] / SCHEMA_FILE


def write_schema() -> int:
    """Write the types; 0 when done."""
    _path().parent.mkdir(parents=True, exist_ok=True)
    _path().write_text(typescript(), "utf-8")
    sys.stdout.write(f"wrote {SCHEMA_FILE}\n")
    return 0


def check_schema() -> int:
    """0 when the file is what `write_schema` would write, else 1 with what to do."""
    path = _path()
    if path.is_file() and path.read_text("utf-8") == typescript():
        return 0
    sys.stderr.write(f"{SCHEMA_FILE} differs from the wire: run make schema\n")
    return 1
