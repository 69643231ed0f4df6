"""A simulated venue, a proxy before it and a running Virtuoso: where faults are tried."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from faults.watch import Watch
from support.fault_proxy import FaultProxy, Weather, fault_proxy
from support.processes import Running, background, free_port, running, wait_for

Record = dict[str, Any]
BUSY = "BTCUSDT"
OTHER = "ETHUSDT"

WARM_SOON = """[scoring.windows]
stream = 3600
stream_minimum = 5
stream_minimum_sizes = 3
"""
"""Settings: stream components need five seconds of their own past instead of five minutes."""


@dataclass
class Rig:
    """The three, and what a tester asks of them."""

    venue: httpx.Client
    proxy: FaultProxy
    virtuoso: Running
    watch: Watch
    """What the socket has shown."""
    symbols: Sequence[str] = field(default_factory=list)
    """Those that are watched, the most traded first."""

    def inject(self, fault: str, **details: object) -> None:
        """Begin a fault at the venue."""
        self.script([{"fault": fault} | details])

    def script(self, faults: Sequence[Record]) -> None:
        """Begin faults at the venue, each at its time."""
        answer = self.venue.post("/simulator/faults", json=list(faults))
        assert answer.status_code < 300, answer.text

    def record(self, symbol: str = BUSY) -> Record:
        """One symbol as `/api/symbols` shows it."""
        found = [each for each in self.virtuoso.symbols() if each["symbol"] == symbol]
        return found[0] if found else {}

    def detail(self, symbol: str = BUSY) -> Record:
        """One symbol taken apart."""
        return self.virtuoso.get(f"/api/symbols/{symbol}")

    def state(self, what: str, symbol: str = BUSY) -> str | None:
        """The state of a price or a component: live, delayed, stale or absent."""
        quality = self.record(symbol).get("quality", {}).get(what)
        return None if quality is None else str(quality["state"])

    def reason(self, what: str, symbol: str = BUSY) -> str | None:
        """Why a price or a component is absent."""
        quality = self.record(symbol).get("quality", {}).get(what)
        return None if quality is None else quality["reason"]

    def counter(self, *names: str) -> int:
        """The engine's counters, summed over all whose names hold each of these texts."""
        counters = self.virtuoso.monitor("/api/monitoring/metrics")["engine"]
        return sum(value for key, value in counters.items() if all(name in key for name in names))

    def connections_ended(self) -> list[str]:
        """Why Virtuoso gave connections up so far, in its own words."""
        lines = [line for line in self.virtuoso.text().splitlines() if "connection_ended" in line]
        return [json.loads(line[line.index("{") :])["reason"] for line in lines]

    def seconds_until_counted(self, *names: str, above: int, limit: float = 6.0) -> float:
        """Wait until a counter has grown beyond what it was; give the seconds it took."""
        return self.seconds_until(str(names), lambda: self.counter(*names) > above, limit)

    def reasons(self) -> str:
        """Everything `/health` has to say, in one text."""
        found = self.virtuoso.get("/health").get("reasons")
        return " | ".join(found) if isinstance(found, list) else ""

    def seconds_until(self, what: str, is_so: Callable[[], object], limit: float) -> float:
        """Wait until something is so; give the seconds it took."""
        begin = time.monotonic()
        wait_for(what, lambda: bool(is_so()), limit)
        return time.monotonic() - begin

    def is_well(self, symbol: str = BUSY) -> bool:
        """Whether the venue is connected, and price and book of a symbol are there."""
        record = self.record(symbol)
        return (
            bool(record)
            and record["quality"]["price"]["state"] == "live"
            and record["components"]["orderbook"] is not None
            and "connect" not in self.reasons()
        )

    def recover(self) -> None:
        """End all faults and wait until everything is live again."""
        if self.proxy.weather != Weather():
            self.proxy.begin(Weather())
        self.inject("clear")
        for symbol in (BUSY, OTHER):
            wait_for(f"{symbol} live again", partial(self.is_well, symbol), 40)


@contextmanager
def rig(
    folder: Path,
    *arguments: str,
    symbols: int = 4,
    listed: int | None = None,
    seed: int = 7,
    settings: str = "",
) -> Iterator[Rig]:
    """Start all three and wait until the busiest symbol is live. `settings`: more of them, as TOML.

    The venue lists `listed` symbols (two more than are watched) and keeps one more back.
    """
    file = folder / "rig.toml"
    file.write_text(WARM_SOON + settings, "utf-8")
    port = free_port()
    venue_url = f"http://127.0.0.1:{port}"
    venue_arguments = ["--port", str(port), "--seed", str(seed)]
    venue_arguments += ["--symbols", str(symbols + 2 if listed is None else listed)]
    with (
        background(folder, "exchange", *venue_arguments),
        httpx.Client(base_url=venue_url, timeout=10.0, trust_env=False) as venue,
    ):
        wait_for("the venue", lambda: venue.get("/v5/market/time").status_code == 200, 30)
        with (
            fault_proxy(port) as proxy,
            running(
                folder,
                "--source",
                "simulator",
                "--exchange",
                f"127.0.0.1:{proxy.port}",
                "--symbols",
                str(symbols),
                "--config",
                str(file),
                *arguments,
                env={"VIRTUOSO_STATE_DIR": str(folder / "state")},
            ) as virtuoso,
        ):
            watch = Watch(f"ws://127.0.0.1:{virtuoso.port}/ws")
            made = Rig(venue, proxy, virtuoso, watch)

            def is_well() -> bool:
                assert virtuoso.process.poll() is None, virtuoso.text()[-2_000:]
                return made.is_well()

            wait_for("live data", is_well, 90)
            made.symbols = [each["symbol"] for each in virtuoso.symbols()]  # type: ignore[misc]
            watch.start()
            try:
                yield made
            finally:
                watch.stop()
