"""Rows as line protocol arrive in a server that takes it; one that is away harms nobody."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.processes import free_port
from support.servers import _program
from support.web_site import eventually
from virtuoso.adapters.sink.influx import InfluxSink, line_of
from virtuoso.domain.history import Gap, GapKind, GapReason
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.time import SECOND, Millis
from virtuoso.testing.history_rows import BITCOIN, kept_candle, kept_overview, kept_score


@contextmanager
def victoria(folder: Path, port: int) -> Iterator[str]:
    """A VictoriaMetrics on the loopback."""
    command = [_program("victoria-metrics"), f"-httpListenAddr=127.0.0.1:{port}"]
    command += [f"-storageDataPath={folder}", "-retentionPeriod=100y", "-memory.allowedPercent=5"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
                    break
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(20)


async def found_in(url: str, query: str) -> list[dict[str, Any]]:
    """What a server holds of a selector."""
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.get(f"{url}/internal/force_flush")
        answer = await http.get(f"{url}/api/v1/export", params={"match[]": query})
        return [httpx.Response(200, content=line).json() for line in answer.text.splitlines()]


async def test_rows_arrive_with_their_tags_and_times(tmp_path: Path) -> None:
    """Also those that were put while nobody listened; the source is a tag of each."""
    port = free_port()
    # what is too old or too new a server drops: rows of now
    at = int(time.time()) * SECOND
    sink = InfluxSink(f"http://127.0.0.1:{port}", "secret")
    running = asyncio.create_task(sink.run())
    sink.put([kept_score(at), kept_score(at + SECOND, score=None), kept_overview(at)])
    await eventually(lambda: sink.error, "an error while nobody listens")
    with victoria(tmp_path, port) as url:
        await eventually(lambda: sink.sent == 3, "three lines")
        assert (sink.error, sink.dropped) == (None, 0)
        found = await found_in(url, "virtuoso_score_score")
        assert [each["values"] for each in found] == [[61.5]]
        assert found[0]["timestamps"] == [at]
        tags = {"source": "simulator", "venue": "bybit", "symbol": "BTCUSDT"}
        assert tags.items() <= found[0]["metric"].items()
        assert (await found_in(url, "virtuoso_market_scored"))[0]["values"] == [29]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_what_is_absent_is_left_out_and_names_are_escaped() -> None:
    """A line has numbers only; a hole is no number."""
    strange = BITCOIN._replace(symbol=Symbol("A B,C=D"))
    line = line_of(kept_candle(series=strange))
    assert line is not None
    assert line.startswith("virtuoso_candle,source=simulator,venue=bybit,symbol=A\\ B\\,C\\=D,")
    score = line_of(kept_score(score=None)) or ""
    assert " score=" not in score
    assert ",orderbook=" not in score
    assert line_of(Gap(BITCOIN, GapKind.SCORES, Millis(0), None, GapReason.AWAY)) is None


async def test_too_many_lines_drop_the_oldest_and_are_counted() -> None:
    """Memory is bounded, whatever the server does."""
    sink = InfluxSink("http://127.0.0.1:9")
    sink.put([kept_candle(n) for n in range(50_010)])
    assert sink.dropped == 10
