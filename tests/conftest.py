"""Fixtures every test may use."""

import os
from pathlib import Path

import pytest

DEFAULT_RECORDINGS = Path(__file__).parents[2] / "shared" / "recordings"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Return the folder of recorded market data; skip, naming the path, when it is not there."""
    folder = Path(os.environ.get("VIRTUOSO_RECORDINGS") or DEFAULT_RECORDINGS)
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip(f"no recordings at {folder}: set VIRTUOSO_RECORDINGS")
    return folder
