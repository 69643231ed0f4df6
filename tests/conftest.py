"""Fixtures every test may use, and the rule that in CI nothing skips."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from support.postgres import postgres_server
from support.servers import memcached_server, redis_server
from virtuoso.wire import finite

__all__ = [
    "memcached_server",
    "postgres_server",
    "pytest_sessionfinish",
    "recordings",
    "redis_server",
]

DEFAULT_RECORDINGS = Path(__file__).parents[2] / "shared" / "recordings"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Return the folder of recorded market data; skip, naming the path, when it is not there."""
    folder = Path(os.environ.get("VIRTUOSO_RECORDINGS") or DEFAULT_RECORDINGS)
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip(f"no recordings at {folder}: set VIRTUOSO_RECORDINGS")
    return folder


@pytest.fixture(autouse=True)
def no_number_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a document with NaN or infinity fail the test that made it; see `wire.finite`."""

    def fail(kind: str, found: list[str]) -> None:
        message = f"expected finite numbers only, found others in {kind}: {', '.join(found[:5])}"
        raise AssertionError(message)

    monkeypatch.setattr(finite, "report", fail)


@pytest.fixture(autouse=True)
def _a_command_leaves_no_log_behind() -> Iterator[None]:
    """What a command logged to is closed with its test; the next one must not write there."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    yield
    structlog.reset_defaults()
    root.handlers[:] = [each for each in root.handlers if each in handlers]


@pytest.fixture(scope="session", autouse=True)
def _no_state_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever a test starts without naming a state folder gets one that is thrown away."""
    os.environ.setdefault("VIRTUOSO_STATE_DIR", str(tmp_path_factory.mktemp("state")))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a skip is a missing server, browser or recording: the run fails and says so."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if reporter and os.environ.get("CI") and skipped and exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{len(skipped)} skipped tests fail the run in CI", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
