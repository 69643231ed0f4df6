"""Recordings of a real venue through the whole engine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.cut_recordings import AUGUST, beginning
from support.processes import Running, command, running, wait_for

pytestmark = [pytest.mark.recorded, pytest.mark.process]

APRIL = (
    "replay/binance_usdm/btcusdt_20230404.dat.gz",
    "replay/binance_usdm/btcusdt_20230405.dat.gz",
)
HOURS = "candles/binance_usdm_1h"


def joined(recordings: Path, files: tuple[str, ...]) -> str:
    """Name several recordings at once."""
    return ",".join(str(recordings / file) for file in files)


def seconds_of(
    recordings: Path, files: str, out: Path, hash_seed: str = "0"
) -> list[dict[str, Any]]:
    """Play recordings in a process of their own and give the symbols document of every second."""
    done = command(
        "replay",
        files,
        "--candles",
        str(recordings / HOURS),
        "--out",
        str(out),
        folder=out.parent,
        seconds=150,
        env={"PYTHONHASHSEED": hash_seed},
    )
    assert done.returncode == 0, done.stderr
    return [msgspec.json.decode(line) for line in out.read_bytes().splitlines()]


def test_a_replay_gives_the_same_bytes_twice(recordings: Path, tmp_path: Path) -> None:
    """In two processes, of which sets and dicts are ordered otherwise: second for second.

    For a minute of two symbols; `make proofs` plays the recordings whole.
    """
    files = beginning(recordings, AUGUST, tmp_path, 60)
    seconds_of(recordings, files, tmp_path / "once.jsonl", "1")
    seconds_of(recordings, files, tmp_path / "twice.jsonl", "2")
    assert (tmp_path / "once.jsonl").stat().st_size > 100_000
    assert (tmp_path / "once.jsonl").read_bytes() == (tmp_path / "twice.jsonl").read_bytes()


@pytest.fixture(scope="module")
def april(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Give every second of Bitcoin's recording of April 2023."""
    out = tmp_path_factory.mktemp("april") / "april.jsonl"
    return seconds_of(recordings, joined(recordings, APRIL), out)


def test_a_recording_gives_what_it_can_and_says_what_it_cannot(
    april: list[dict[str, Any]],
) -> None:
    """After five minutes book and flow have scores; candle history and open interest are absent."""
    seconds = april
    assert len(seconds) > 480
    last = seconds[-1]["symbols"][0]
    assert last["symbol"] == "BTCUSDT"
    assert last["source"] == "replay"
    assert last["components"]["orderbook"] is not None
    assert last["components"]["orderflow"] is not None
    assert last["components"]["technical"] is None
    assert last["quality"]["components.technical"]["reason"]
    assert last["components"]["sentiment"] is None
    assert last["confluence_score"] is None
    assert last["reason"]
    early = seconds[60]["symbols"][0]
    assert early["components"]["orderbook"] is None
    assert early["quality"]["components.orderbook"]["reason"] == "warming_up"
    prices = {second["symbols"][0]["price"] for second in seconds if second["symbols"][0]["price"]}
    assert len(prices) > 100
    assert all(27_000 < price < 29_500 for price in prices)
    lenses, quality = last["dimensions"], last["quality"]
    assert 0 <= lenses["order_flow"] <= 100
    assert 0 <= lenses["liquidity"] <= 100
    assert quality["dimensions"]["as_of"] is not None
    for name, value in lenses.items():
        assert value is not None or quality[f"dimensions.{name}"]["reason"]
    assert lenses["machine_learning"] is None
    assert quality["dimensions.machine_learning"]["reason"] == "unproven"
    assert lenses["bitcoin_beta"] is None
    assert len({s["symbols"][0]["dimensions"]["liquidity"] for s in seconds}) > 10
    values = [s["symbols"][0]["components"]["orderbook"] for s in seconds]
    assert len({value for value in values if value is not None}) > 50


def test_a_recording_does_not_know_what_follows_it(
    recordings: Path, april: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Its first file alone gives the seconds that it gives when the second file follows.

    But for the last two, in which it ends.
    """
    files = joined(recordings, APRIL[:1])
    alone = seconds_of(recordings, files, tmp_path / "alone.jsonl")[:-2]
    assert len(alone) > 90
    assert alone == april[: len(alone)]


def test_the_off_market_print_never_becomes_the_price(april: list[dict[str, Any]]) -> None:
    """The INSURANCE_FUND trade of 00:01:14 at 28,722.50 is two percent off the market."""
    prices = {second["symbols"][0]["price"] for second in april}
    assert len(prices) > 100
    assert 28_722.5 not in prices


@pytest.fixture(scope="module")
def played(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Virtuoso on half a minute of two symbols, played to its end."""
    folder = tmp_path_factory.mktemp("replay")
    with running(
        folder,
        "--source",
        f"replay:{beginning(recordings, AUGUST, folder, 30)}",
        "--speed",
        "max",
        "--candles",
        str(recordings / HOURS),
    ) as process:
        wait_for(
            "the end of the recording",
            lambda: "the recording has ended" in process.client.get("/api/symbols").text,
            120,
        )
        yield process


def test_a_replay_is_served_as_a_replay(played: Running) -> None:
    """Both symbols, source `replay`, and the end of the recording is said."""
    answer: dict[str, Any] = played.get("/api/symbols")
    assert {each["symbol"] for each in answer["symbols"]} == {"BTCUSDT", "ETHUSDT"}
    assert answer["source"] == "replay"
    assert answer["status"] == "degraded"


def test_after_its_end_a_recording_turns_stale(played: Running) -> None:
    """The clock goes on, the data do not: nothing stays live."""

    def all_stale() -> bool:
        records: list[dict[str, Any]] = played.symbols()
        return all(each["quality"]["price"]["state"] == "stale" for each in records)

    wait_for("stale prices", all_stale)


def test_a_folder_plays_every_recording_in_it(recordings: Path, tmp_path: Path) -> None:
    """Files are merged by receive time."""
    source = f"replay:{recordings / 'replay/binance_usdm'}"
    with running(tmp_path, "--source", source, "--speed", "10") as process:

        def has_price() -> bool:
            return any(each["price"] for each in process.symbols())

        wait_for("a price of the first recording", has_price, 90)


def test_one_second_taken_apart_is_that_of_the_replay(
    april: list[dict[str, Any]], recordings: Path, tmp_path: Path
) -> None:
    """`explain --at` says of a recorded second what the replay said when it came to it.

    In a process that hashes in another order, and when book and flow have their scores.
    """
    second = april[333]
    assert second["symbols"][0]["components"]["orderbook"] is not None
    done = command(
        "explain",
        "BTCUSDT",
        "--at",
        second["timestamp"],
        "--recording",
        joined(recordings, APRIL),
        "--candles",
        str(recordings / HOURS),
        "--json",
        folder=tmp_path,
        seconds=150,
        env={"PYTHONHASHSEED": "2"},
    )
    assert done.returncode == 0, done.stderr
    detail = msgspec.json.decode(done.stdout)
    assert detail["timestamp"] == second["timestamp"]
    assert detail["record"] == second["symbols"][0]
    assert detail["account"]["missing"]
