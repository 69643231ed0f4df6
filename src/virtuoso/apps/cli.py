"""Ad Majorem Dei Gloriam. The command line: `virtuoso run`, `exchange`, `replay` and the rest."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import uvloop

from virtuoso.apps.compile import compile_all
from virtuoso.apps.exchange import run_exchange
from virtuoso.apps.logs import configure_logs
from virtuoso.apps.replay import replay_headless
from virtuoso.apps.run import RunOptions, run
from virtuoso.apps.schema import SCHEMA_FILE, check_schema, write_schema
from virtuoso.apps.settings import Settings, load_settings
from virtuoso.domain.errors import VirtuosoError
from virtuoso.simulator.settings import ExchangeSettings

EXIT_REFUSED = 78
"""EX_CONFIG: what was asked for cannot be done as asked; nothing was started."""


def _speed(text: str) -> float | None:
    """Read `max`, or a factor above zero."""
    if text == "max":
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1_000:
        msg = f"expected max, or a number above 0 and up to 1000, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return factor


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        msg = f"expected a port from 0 to 65535, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    top = argparse.ArgumentParser(
        prog="virtuoso",
        description="Real-time confluence scores for perpetual futures.",
        epilog="Settings: config/default.toml says what there is; --config names a file of yours.",
    )
    top.add_argument("--version", action="version", version=f"virtuoso {version('virtuoso')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    start = commands.add_parser("run", help="everything in one process: engine, pages, API")
    start.add_argument(
        "--source",
        default="simulator",
        metavar="SOURCE",
        help="simulator (default), bybit, binance, or replay:PATH (files by commas, or a folder)",
    )
    start.add_argument("--speed", type=_speed, default=1.0, help="of a replay: 1, 10, ... or max")
    start.add_argument(
        "--candles", type=Path, metavar="PATH", help="candle history for a replay (CSV files)"
    )
    start.add_argument("--exchange", metavar="HOST:PORT", help="a simulator that already runs")
    start.add_argument("--symbols", type=int, metavar="N", help="how many symbols to watch")
    start.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")

    venue = commands.add_parser("exchange", help="the simulator: an exchange on this machine")
    venue.add_argument("--port", type=_port, help="default 8090; 0 takes a free one")
    venue.add_argument("--seed", type=int, help="same seed and start time, same market")
    venue.add_argument("--symbols", type=int, help="1 to 30")
    venue.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")
    venue.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)

    again = commands.add_parser(
        "replay", help="play recordings without a server and print every score, one JSON a line"
    )
    again.add_argument("path", help="a recording, several joined by commas, or a folder")
    again.add_argument("--candles", type=Path, metavar="PATH", help="candle history (CSV files)")
    again.add_argument("--out", type=Path, metavar="FILE", help="write there instead of printing")
    again.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")

    commands.add_parser("compile", help="compile the kernels, so that the first start is quick")
    types = commands.add_parser("schema", help=f"write the dashboards' types to {SCHEMA_FILE}")
    types.add_argument("--check", action="store_true", help="only say whether they are up to date")
    return top


def _exchange_settings(arguments: argparse.Namespace, settings: Settings) -> ExchangeSettings:
    ours = settings.simulator
    return ExchangeSettings(
        seed=ours.seed if arguments.seed is None else arguments.seed,
        symbols=ours.symbols if arguments.symbols is None else min(max(arguments.symbols, 1), 30),
        port=ours.port if arguments.port is None else arguments.port,
    )


def _dispatch(arguments: argparse.Namespace) -> int:
    command: str = arguments.command
    if command == "compile":
        return compile_all()
    if command == "schema":
        return check_schema() if arguments.check else write_schema()
    settings = load_settings(arguments.config, os.environ)
    configure_logs(debug=settings.app.debug)
    if command == "exchange":
        work = run_exchange(
            _exchange_settings(arguments, settings), with_parent=arguments.with_parent
        )
    elif command == "replay":
        return replay_headless(settings, arguments.path, arguments.candles, arguments.out)
    else:
        options = RunOptions(
            source=arguments.source,
            speed=arguments.speed,
            candles=arguments.candles,
            exchange=arguments.exchange,
            symbols=arguments.symbols,
        )
        work = run(settings, options)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
    return 0


def main(argv: Sequence[str] | None = None, *, leave: Callable[[int], None] = sys.exit) -> None:
    """Run a command. Exit codes: 0 done, 78 refused (the reason on standard error), 130 stopped."""
    arguments = parser().parse_args(argv)
    try:
        leave(_dispatch(arguments))
    except VirtuosoError as error:
        sys.stderr.write(f"virtuoso: {error}\n")
        leave(EXIT_REFUSED)
    except KeyboardInterrupt:
        leave(130)
    except BrokenPipeError:
        leave(0)
