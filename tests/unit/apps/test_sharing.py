"""Where processes meet: which tier is meant, and what each process has to load."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.apps.settings import Settings, with_port
from virtuoso.apps.settings_sources import load_settings
from virtuoso.apps.sharing import EchoBroker, backend_of, open_sharing
from virtuoso.apps.stopping import until_stopped
from virtuoso.domain.errors import LeaseError, SettingsError


def settings(folder: Path, **environment: str) -> Settings:
    """The defaults with these variables."""
    return load_settings(None, {"VIRTUOSO_STATE_DIR": str(folder)} | environment)


@pytest.mark.parametrize(
    ("kind", "alone", "found"),
    [
        ("auto", True, "memory"),
        ("auto", False, "memcached"),
        ("memory", True, "memory"),
        ("redis", True, "redis"),
        ("redis", False, "redis"),
        ("memcached", False, "memcached"),
    ],
)
def test_the_shared_tier_is_the_one_that_is_meant(
    kind: str,
    alone: bool,  # noqa: FBT001 - a row of the table
    found: str,
    tmp_path: Path,
) -> None:
    """Memory for one process, memcached for several, unless it is said. contract: K14."""
    assert backend_of(settings(tmp_path, CACHE_TYPE=kind), alone=alone) == found


def test_several_processes_cannot_share_a_memory(tmp_path: Path) -> None:
    """The message says what to set instead."""
    with pytest.raises(SettingsError, match="CACHE_TYPE=memcached"):
        backend_of(settings(tmp_path, CACHE_TYPE="memory"), alone=False)


async def test_without_servers_there_is_no_lease_and_the_last_good_is_a_file(
    tmp_path: Path,
) -> None:
    """The embedded default needs nobody, and outlives itself all the same."""
    async with open_sharing(
        settings(tmp_path), SystemClock(), alone=True, source="simulator"
    ) as sharing:
        assert sharing.leases == ()
        assert sharing.push is None
        assert sharing.keepsake is not None
        await sharing.keepsake.keep(b"value")
    assert (tmp_path / "last-good-simulator.bin").read_bytes() == b"value"
    async with open_sharing(
        settings(tmp_path), SystemClock(), alone=True, source="replay:x"
    ) as sharing:
        assert sharing.keepsake is None


async def test_servers_need_not_be_there(tmp_path: Path) -> None:
    """Opening connects nothing; both servers name the writer, the nearest first."""
    wanted = settings(tmp_path, CACHE_TYPE="memcached", MEMCACHED_PORT="1", REDIS_PORT="1")
    async with open_sharing(wanted, SystemClock(), alone=False) as sharing:
        assert [each.name for each in sharing.leases] == ["memcached", "redis"]
        assert [each.name for each in sharing.cache.counters()] == ["memory", "memcached", "redis"]


async def test_an_echo_reaches_this_process_and_the_others() -> None:
    """A page of `virtuoso run` does not depend on a server for its own engine's news."""
    here, there = MemoryBroker(), MemoryBroker()
    echo = EchoBroker(here, there)
    ours, theirs = echo.subscribe("news"), there.subscribe("news")
    await echo.publish("news", b"said")
    assert await anext(ours) == await anext(theirs) == b"said"
    await echo.close()


async def test_an_error_of_ours_ends_everything_and_is_told_as_it_is() -> None:
    """Not as a group of one; the other tasks are cancelled."""
    ended = asyncio.Event()

    async def works() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fails() -> None:
        message = "another is the writer"
        raise LeaseError(message)

    with pytest.raises(LeaseError, match="another is the writer"):
        await until_stopped(asyncio.Event(), works(), fails())
    assert ended.is_set()


def test_a_port_of_the_command_line_wins(tmp_path: Path) -> None:
    """Several web processes on one machine differ in nothing else."""
    ours = settings(tmp_path)
    assert with_port(ours, "web", 8_002).app.port == 8_002
    assert with_port(ours, "monitor", 8_009).app.monitoring_port == 8_009
    assert with_port(ours, "web", None) is ours


def test_a_web_process_loads_neither_kernels_nor_venues() -> None:
    """It computes nothing, and starts and restarts quickly."""
    heavy = ["numba", "ccxt", "virtuoso.market", "virtuoso.scoring", "virtuoso.adapters.feed"]
    code = f"""
import sys
import virtuoso.apps.serving, virtuoso.apps.writing
found = [each for each in {heavy} if each in sys.modules]
sys.exit(", ".join(found) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_engine_loads_no_pages_and_nothing_that_is_not_asked_for(tmp_path: Path) -> None:
    """What is killed must be back within seconds, and most of them are loading."""
    heavy = ["fastapi", "pydantic", "uvicorn", "virtuoso.web", "virtuoso.monitor"]
    heavy += [
        "virtuoso.apps.terminal",
        "ccxt.pro",
        "psycopg",
        "sqlalchemy.dialects.postgresql",
        "alembic",
        "PIL",
        "apprise",
        "pyarrow",
        "argon2",
    ]
    code = f"""
import sys
from virtuoso.apps import cli, engine

async def look(settings, options, standby):
    from virtuoso.adapters.clock.system import SystemClock
    async with engine.open_history(settings, SystemClock(), "bybit"):
        pass
    alembic = [each for each in sys.modules if each.split(".")[0] == "alembic"]
    if sys.argv[1] == "first":
        assert alembic, "expected a new store to be made by alembic"
        return
    found = [each for each in {heavy} if each in sys.modules]
    sys.exit(", ".join(found) or 0)

engine.run_engine = look
cli.main(["engine", "--exchange", "127.0.0.1:1"])
"""
    servers = {"CACHE_TYPE": "memcached", "MEMCACHED_PORT": "1", "REDIS_PORT": "1"}
    environment = os.environ | servers | {"VIRTUOSO_STATE_DIR": str(tmp_path)}
    for start in ("first", "again"):
        done = subprocess.run(
            [sys.executable, "-c", code, start],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
