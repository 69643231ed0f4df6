"""What the command line takes: each command with its options, and how their words are read."""

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import Final

from virtuoso.domain.time import Millis, Timeframe
from virtuoso.simulator.settings import MOST_SYMBOLS
from virtuoso.wire.records import millis_of

SORTS: Final = ("score", "pressure", "confidence", "change", "turnover", "symbol")
"""By what the board in the terminal can be ordered."""
SCHEMA_FILE: Final = "web/src/wire/types.ts"
RESCORE = "of a replay: score by your settings, not by those of the recorded run"


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


def _pace(text: str) -> float:
    """Read a factor above zero; a server has no `max`."""
    factor = _speed(text)
    if factor is None:
        msg = "expected a number above 0 and up to 1000, found 'max'"
        raise argparse.ArgumentTypeError(msg)
    return factor


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        msg = f"expected a port from 0 to 65535, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        msg = f"expected a whole number above 0, found {text!r}"
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
    _add_sources(start)
    _add_processes(commands)

    _add_recording(commands)

    venue = commands.add_parser("exchange", help="the simulator: an exchange on this machine")
    venue.add_argument("--port", type=_port, help="default 8090; 0 takes a free one")
    venue.add_argument("--seed", type=int, help="same seed and start time, same market")
    venue.add_argument("--symbols", type=int, help=f"1 to {MOST_SYMBOLS}")
    venue.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")
    venue.add_argument(
        "--rate", type=float, metavar="N", help="load: N messages a second over all clients"
    )
    venue.add_argument(
        "--faults", type=Path, metavar="FILE", help="a script: JSON list of faults with their times"
    )
    venue.add_argument(
        "--recording",
        metavar="PATH[,PATH]",
        help="play Binance USD-M recordings; Bybit's frames are made from them",
    )
    venue.add_argument("--speed", type=_pace, default=1.0, help="of --recording: 1, 10, ...")
    venue.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)

    again = commands.add_parser(
        "replay", help="play recordings without a server and print every score, one JSON a line"
    )
    again.add_argument("path", help="a recording, several joined by commas, or a folder")
    again.add_argument("--candles", type=Path, metavar="PATH", help="candle history (CSV files)")
    again.add_argument("--rescore", action="store_true", help=RESCORE)
    again.add_argument("--out", type=Path, metavar="FILE", help="write there instead of printing")
    again.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")

    board = commands.add_parser("scan", help="the board of a running Virtuoso, in the terminal")
    board.add_argument("--sort", choices=SORTS, default="score", help="default: score")
    board.add_argument("--reverse", action="store_true", help="the other way round")
    board.add_argument("--limit", type=_count, metavar="N", help="only the first N")
    board.add_argument("--watch", action="store_true", help="again each second, until Ctrl-C")
    why = commands.add_parser("explain", help="one score taken apart to its inputs, with ages")
    why.add_argument("symbol", help="such as BTCUSDT")
    why.add_argument(
        "--at",
        type=_instant,
        metavar="TIME",
        help="of --recording: ISO 8601 UTC such as 2024-08-08T23:56:00Z (default: its end)",
    )
    why.add_argument(
        "--recording", metavar="PATH", help="play this instead of asking a running one"
    )
    why.add_argument("--candles", type=Path, metavar="PATH", help="candle history for --recording")
    for command in (board, why):
        command.add_argument("--json", action="store_true", help="the document as JSON")
        command.add_argument("--address", metavar="URL", help="default: this machine, APP_PORT")
        command.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")

    health = commands.add_parser("doctor", help="what is reachable, banned, synced, or wrong")
    health.add_argument(
        "--source",
        metavar="SOURCE",
        help="bybit, binance or simulator:HOST:PORT (default: both venues)",
    )
    health.add_argument("--json", action="store_true", help="everything, as JSON")
    health.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")

    study = commands.add_parser("research", help="questions to recorded history")
    questions = study.add_subparsers(dest="question", required=True, metavar="QUESTION")
    alike = questions.add_parser("correlations", help="how alike the sub-scores of candles are")
    alike.add_argument("--candles", type=Path, required=True, metavar="PATH", help="CSV files")
    alike.add_argument("--symbol", default="BTCUSDT", help="default: BTCUSDT")
    alike.add_argument("--timeframe", default="5m", help="1m, 5m (default), 30m or 4h")

    _add_store(commands)
    _add_alert(commands)
    _add_signals(commands)
    _add_load(commands)

    commands.add_parser("token", help="print a new token of 256 bits")
    commands.add_parser("password", help="ask for a password and print what to configure of it")
    commands.add_parser("compile", help="compile the kernels, so that the first start is quick")
    types = commands.add_parser("schema", help=f"write the dashboards' types to {SCHEMA_FILE}")
    types.add_argument("--check", action="store_true", help="only say whether they are up to date")
    return top


def _add_alert(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    alert = commands.add_parser("alert", help="what fired, the rules, and a test of both")
    actions = alert.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="the newest alerts, and how they were told")
    listed.add_argument("--limit", type=_count, default=20, help="default: 20")
    rules = actions.add_parser("rules", help="the rules in force")
    test = actions.add_parser("test", help="send a test message, or rehearse a file of rules")
    test.add_argument("--channel", help="discord, webhook, telegram, slack or email; default: all")
    test.add_argument("--rules", type=Path, metavar="FILE", help="rehearse these (TOML)")
    test.add_argument("--hours", type=_count, default=24, help="over so many hours (default: 24)")
    test.add_argument("--simulated", action="store_true", help="over what the simulator said")
    for action in (listed, rules, test):
        action.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")


def _add_signals(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    signals = commands.add_parser("signals", help="what was said, and what became of it")
    actions = signals.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="the newest signals")
    listed.add_argument("--state", help="active, confirmed, invalidated, expired, closed")
    listed.add_argument("--limit", type=_count, default=20, help="default: 20")
    shown = actions.add_parser("show", help="one signal with every step of its life")
    shown.add_argument("id", help="as `list` prints it")
    counted = actions.add_parser("statistics", help="what such signals were worth, with n")
    for action in (listed, counted):
        action.add_argument("--symbol", help="such as BTCUSDT")
        action.add_argument("--direction", choices=("Bullish", "Bearish"))
        action.add_argument("--from", type=_instant, dest="since", metavar="TIME")
        action.add_argument("--to", type=_instant, dest="until", metavar="TIME")
        action.add_argument("--simulated", action="store_true", help="those of the simulator")
    for action in (listed, shown, counted):
        action.add_argument("--json", action="store_true", help="as the API gives it")
        action.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")


def _add_load(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    load = commands.add_parser(
        "loadtest", help="a bounded load on a running Virtuoso of this machine"
    )
    load.add_argument("--seconds", type=_count, default=10, help="default: 10")
    load.add_argument("--connections", type=_count, default=8, help="HTTP readers (default: 8)")
    load.add_argument("--sockets", type=int, default=50, help="websocket clients (default: 50)")
    load.add_argument(
        "--never-reading", type=int, default=5, dest="deaf", help="clients that only subscribe"
    )
    load.add_argument("--rate", type=int, default=0, help="requests a second; default: all it can")
    load.add_argument("--json", action="store_true", help="everything, as JSON")
    load.add_argument("--address", metavar="URL", help="default: this machine, APP_PORT")
    load.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")


def _add_sources(start: argparse.ArgumentParser) -> None:
    start.add_argument(
        "--source",
        default="simulator",
        metavar="SOURCE",
        help="simulator (default), bybit, binance, ccxt:VENUE, or replay:PATH",
    )
    start.add_argument(
        "--secondary",
        choices=("none", "binance", "bybit"),
        help="the venue that stands in for a late one (default: feed.secondary for live sources)",
    )
    start.add_argument("--speed", type=_speed, default=1.0, help="of a replay: 1, 10, ... or max")
    start.add_argument(
        "--candles", type=Path, metavar="PATH", help="candle history for a replay (CSV files)"
    )
    start.add_argument("--rescore", action="store_true", help=RESCORE)
    start.add_argument("--exchange", metavar="HOST:PORT", help="a simulator that already runs")
    start.add_argument("--symbols", type=int, metavar="N", help="how many symbols to watch")
    start.add_argument(
        "--record", type=Path, metavar="DIR", help="keep everything that is received, to replay it"
    )
    start.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")


def _add_processes(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    engine = commands.add_parser("engine", help="feeds and scores alone; writes the shared cache")
    _add_sources(engine)
    engine.add_argument(
        "--standby", action="store_true", help="wait while another engine writes, then take over"
    )
    web = commands.add_parser("web", help="pages and API of what an engine published; start many")
    web.add_argument("--port", type=_port, help="default: APP_PORT")
    watch = commands.add_parser("monitor", help="the monitoring API: engine, webs, cache tiers")
    watch.add_argument("--port", type=_port, help="default: MONITORING_PORT")
    warm = commands.add_parser("warm", help="bring the cache tiers into line, the nearest first")
    proof = commands.add_parser(
        "validate", help="write, read, promote, invalidate, fail over: a verdict for each"
    )
    for command in (warm, proof):
        command.add_argument("--json", action="store_true", help="everything, as JSON")
    for command in (web, watch, warm, proof):
        command.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")


def _add_recording(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    tape = commands.add_parser("record", help="keep everything a venue sends, without pages")
    tape.add_argument(
        "--source", required=True, metavar="SOURCE", help="simulator, bybit, binance, ccxt:VENUE"
    )
    tape.add_argument(
        "--symbols", type=_symbols, metavar="N|A,B", help="how many symbols, or exactly these"
    )
    tape.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files go")
    tape.add_argument("--max-size", type=_count, metavar="MB", help="of one file (default: 256)")
    tape.add_argument(
        "--for", type=_seconds, dest="seconds", metavar="SECONDS", help="default: until stopped"
    )
    tape.add_argument("--exchange", metavar="HOST:PORT", help="a simulator that already runs")
    tape.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")
    held = commands.add_parser("recording", help="what is in a recording, and whether it is whole")
    actions = held.add_subparsers(dest="action", required=True, metavar="ACTION")
    info = actions.add_parser("info", help="read all of it; exit code 0: whole, 1: not")
    info.add_argument("path", help="a recording, several joined by commas, or a folder")
    info.add_argument("--json", action="store_true", help="everything, as JSON")


def _add_store(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    keep = commands.add_parser("store", help="history, signals and alerts on disk")
    actions = keep.add_subparsers(dest="action", required=True, metavar="ACTION")
    info = actions.add_parser("info", help="what is in it")
    info.add_argument("--json", action="store_true", help="everything, as JSON")
    whole = actions.add_parser("check", help="read all of it; exit code 0: whole, 1: not")
    step = actions.add_parser("migrate", help="bring the schema up to date (an engine does so too)")
    copy = actions.add_parser("backup", help="copy it while it is written, and verify the copy")
    copy.add_argument("--out", type=Path, metavar="FILE", help="default: the state folder")
    back = actions.add_parser("restore", help="put a backup in its place")
    back.add_argument("file", type=Path, nargs="?", help="default: the newest that is whole")
    back.add_argument("--force", action="store_true", help="replace the store that is there")
    out = actions.add_parser("export", help="rows as CSV, JSON lines or Parquet")
    out.add_argument("kind", choices=("scores", "candles", "derivatives", "overview"))
    out.add_argument("--symbol", help="such as BTCUSDT")
    out.add_argument(
        "--source", default="live", help="live (default), bybit, binance, ccxt or simulator"
    )
    out.add_argument("--timeframe", choices=tuple(Timeframe), default="1m", help="of candles")
    for name, text in (("--from", "default: the first row"), ("--to", "default: now")):
        out.add_argument(name, type=_instant, dest=name[2:] + "_", metavar="TIME", help=text)
    out.add_argument("--format", choices=("csv", "json", "parquet"), default="csv")
    out.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    for action in (info, whole, step, copy, back, out):
        action.add_argument("--config", type=Path, metavar="FILE", help="your settings (TOML)")


def _symbols(text: str) -> int | tuple[str, ...]:
    """Read a number, or names of symbols."""
    if text.isdecimal():
        return _count(text)
    return tuple(each.strip().upper() for each in text.split(",") if each.strip())


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 1e9:
        msg = f"expected a number of seconds above 0, found {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return seconds


def _instant(text: str) -> Millis:
    """Read a time."""
    try:
        return millis_of(text)
    except ValueError as error:
        msg = f"expected a time as 2024-08-08T23:56:00Z (ISO 8601, UTC), found {text[:40]!r}"
        raise argparse.ArgumentTypeError(msg) from error
