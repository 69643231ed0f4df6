"""Ad Majorem Dei Gloriam. The command line: `virtuoso run`, `exchange`, `replay` and the rest."""

import argparse
import asyncio
import gc
import os
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from virtuoso.apps.arguments import parser
from virtuoso.apps.loading import loading
from virtuoso.apps.settings import Settings
from virtuoso.apps.settings_sources import default_settings, load_settings
from virtuoso.domain.errors import SettingsError, VirtuosoError
from virtuoso.domain.time import Millis
from virtuoso.simulator.settings import ExchangeSettings

if TYPE_CHECKING:
    from virtuoso.apps.exchange_beside import ExchangeBeside
    from virtuoso.apps.redaction import Redactor

# Each command imports what it runs on when it runs: the kernels, CCXT and FastAPI take seconds
# to load, and `--help`, the simulator beside a run, or a look at the board need none of them.

T = TypeVar("T")

FIRST_DAY = Millis(1_735_689_600_000)
"""2025-01-01: no store has an earlier row, and reading begins there."""
_COMPUTING = frozenset({"run", "engine", "record", "replay", "alert"})
"""The commands with settings that load the kernels."""
EXIT_REFUSED = 78
"""EX_CONFIG: what was asked for cannot be done as asked; nothing was started."""


def _exchange(arguments: argparse.Namespace, settings: Settings) -> Coroutine[Any, Any, None]:
    """Prepare the simulator. Raises SettingsError for what cannot be done as asked."""
    with loading():
        from virtuoso.apps.exchange import open_recording, read_faults, run_exchange

    ours = settings.simulator
    try:
        exchange = ExchangeSettings(
            seed=ours.seed if arguments.seed is None else arguments.seed,
            symbols=ours.symbols if arguments.symbols is None else arguments.symbols,
            port=ours.port if arguments.port is None else arguments.port,
            rate=arguments.rate,
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error
    return run_exchange(
        exchange,
        with_parent=arguments.with_parent,
        script=read_faults(arguments.faults) if arguments.faults else (),
        recording=open_recording(arguments.recording, arguments.speed),
    )


def _dispatch(arguments: argparse.Namespace) -> int:
    command: str = arguments.command
    if command in _WITHOUT_SETTINGS:
        return _WITHOUT_SETTINGS[command](arguments)
    settings = _settings_of(command, arguments.config)
    if command in {"scan", "explain"}:
        return _show(arguments, settings)
    if command == "loadtest":
        return _load(arguments, settings)
    _begin_logs(settings, arguments.config)
    if command in _COMPUTING:
        _keep_kernels(settings)
    if command == "store":
        return _store(arguments, settings)
    if command == "alert":
        return _alert(arguments, settings)
    if command == "signals":
        return _signals(arguments, settings)
    if command == "record":
        return _record(arguments, settings)
    if command == "replay":
        return _replay(arguments, settings)
    if command in {"web", "monitor"}:
        return _serve(arguments, settings)
    if command in {"warm", "validate"}:
        return _cache(arguments, settings)
    if command == "engine" and not arguments.standby:
        with loading():
            from virtuoso.apps.writing import refuse_second

        _on_a_loop(refuse_second(settings))
    _on_a_loop(
        _exchange(arguments, settings) if command == "exchange" else _run(arguments, settings)
    )
    return 0


def _settings_of(command: str, file: Path | None) -> Settings:
    """Read the settings, for the engine with the version that was saved over the API."""
    if command not in {"run", "engine"}:
        return load_settings(file, os.environ)
    from virtuoso.apps.config_saved import load_with_saved

    return load_with_saved(file, os.environ)


def _begin_logs(settings: Settings, file: Path | None) -> None:
    """Log without secrets, and leave none in the dump of a crash."""
    import faulthandler
    import resource

    import structlog

    from virtuoso.apps.logs import configure_logs
    from virtuoso.apps.redaction import Redactor, secret_values
    from virtuoso.apps.settings_file import readable_by_others
    from virtuoso.apps.settings_sources import local_path

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not faulthandler.is_enabled():
        # a watchdog ends what hangs with SIGABRT: where it hung is said, without any value
        faulthandler.enable(sys.__stderr__ or 2)
    redactor = Redactor(secret_values(settings, os.environ))
    configure_logs(debug=settings.app.debug, redactor=redactor)
    sys.excepthook = partial(_die, redactor)
    path = local_path(file)
    if readable_by_others(path):
        advice = f"chmod go-r {path}"
        structlog.get_logger().warning("settings_file_readable_by_others", advice=advice)


def _keep_kernels(settings: Settings) -> None:
    """Say where numba finds what is compiled; before it is loaded."""
    from virtuoso.apps.kernel_cache import keep_kernels

    keep_kernels(settings.state.folder(os.environ), os.environ)


def _die(
    redactor: "Redactor",
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """Print what ended the process, without secrets."""
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(redactor.redact(text))


def _on_a_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on the loop that production has."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _run(arguments: argparse.Namespace, settings: Settings) -> None:
    from virtuoso.apps.exchange_beside import ExchangeBeside

    beside = None
    waits = arguments.command == "engine" and arguments.standby
    if arguments.source == "simulator" and arguments.exchange is None and not waits:
        # it comes up on the other processor while we load what takes seconds
        beside = ExchangeBeside.of(settings, arguments.symbols)
    try:
        await _run_beside(arguments, settings, beside)
    finally:
        if beside is not None:
            beside.abandon()


async def _run_beside(
    arguments: argparse.Namespace, settings: Settings, beside: "ExchangeBeside | None"
) -> None:
    with loading():
        from virtuoso.apps.engine import RunOptions, run_engine
        from virtuoso.apps.record import recorder_settings

    options = RunOptions(
        source=arguments.source,
        speed=arguments.speed,
        candles=arguments.candles,
        exchange=arguments.exchange,
        symbols=arguments.symbols,
        secondary=arguments.secondary,
        record=recorder_settings(arguments.record, None) if arguments.record else None,
        rescore=arguments.rescore,
        beside=beside,
        config=arguments.config,
    )
    if arguments.command == "engine":
        await run_engine(settings, options, standby=arguments.standby)
        return
    # an engine serves nobody, and what serves takes half a second to load
    with loading():
        from virtuoso.apps.run import run

    await run(settings, options)


def _serve(arguments: argparse.Namespace, settings: Settings) -> int:
    """Start what needs no kernel and no venue."""
    with loading():
        from virtuoso.apps.serving import serve_monitor, serve_web
        from virtuoso.apps.settings import with_port

    settings = with_port(settings, arguments.command, arguments.port)
    serve = serve_web if arguments.command == "web" else serve_monitor
    _on_a_loop(serve(settings, version("virtuoso")))
    return 0


def _cache(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.command == "warm":
        from virtuoso.apps.warm import warm

        return _on_a_loop(warm(settings, as_json=arguments.json))
    from virtuoso.apps.validate import validate

    return _on_a_loop(validate(settings, as_json=arguments.json))


def _alert(arguments: argparse.Namespace, settings: Settings) -> int:
    from virtuoso.apps.alert_commands import AlertOptions, run_alert_command

    given = vars(arguments)
    return run_alert_command(
        settings,
        AlertOptions(
            action=arguments.action,
            limit=given.get("limit", 20),
            channel=given.get("channel"),
            rules=given.get("rules"),
            hours=given.get("hours", 24),
            simulated=given.get("simulated", False),
        ),
    )


def _signals(arguments: argparse.Namespace, settings: Settings) -> int:
    from virtuoso.apps.signal_commands import SignalOptions, run_signal_command

    given = vars(arguments)
    return run_signal_command(
        settings,
        SignalOptions(
            action=arguments.action,
            signal=given.get("id", ""),
            symbol=given.get("symbol"),
            direction=given.get("direction"),
            states=tuple(each for each in (given.get("state") or "").split(",") if each),
            since=given.get("since"),
            until=given.get("until"),
            limit=given.get("limit", 20),
            simulated=given.get("simulated", False),
            as_json=arguments.json,
        ),
    )


def _store(arguments: argparse.Namespace, settings: Settings) -> int:
    from virtuoso.adapters.clock.system import SystemClock
    from virtuoso.apps import store

    match arguments.action:
        case "info":
            return store.show_contents(settings, as_json=arguments.json)
        case "check":
            return store.check_store(settings)
        case "migrate":
            return store.migrate_store(settings)
        case "backup":
            return store.backup_store(settings, arguments.out, SystemClock())
        case "restore":
            return store.restore_store(settings, arguments.file, force=arguments.force)
        case _:
            pass
    options = store.ExportOptions(
        kind=arguments.kind,
        symbol=arguments.symbol,
        source=arguments.source,
        timeframe=arguments.timeframe,
        start=arguments.from_ or FIRST_DAY,
        end=arguments.to_ or SystemClock().now(),
        format=arguments.format,
        out=arguments.out,
    )
    return store.export_store(settings, options)


def _replay(arguments: argparse.Namespace, settings: Settings) -> int:
    from virtuoso.apps.replay import replay_headless

    return replay_headless(
        settings, arguments.path, arguments.candles, arguments.out, rescore=arguments.rescore
    )


def _record(arguments: argparse.Namespace, settings: Settings) -> int:
    from virtuoso.apps.record import RecordOptions, record

    options = RecordOptions(
        source=arguments.source,
        out=arguments.out,
        symbols=arguments.symbols,
        max_size_mb=arguments.max_size,
        seconds=arguments.seconds,
        exchange=arguments.exchange,
    )
    return _on_a_loop(record(settings, options))


def _compile(_arguments: argparse.Namespace) -> int:
    from virtuoso.apps.compile import compile_all

    return compile_all()


def _schema(arguments: argparse.Namespace) -> int:
    from virtuoso.apps.schema import check_schema, write_schema

    return check_schema() if arguments.check else write_schema()


def _recording(arguments: argparse.Namespace) -> int:
    from virtuoso.apps.recording import show_recording

    return show_recording(arguments.path, as_json=arguments.json)


def _research(arguments: argparse.Namespace) -> int:
    from virtuoso.apps.research import CorrelationOptions, print_correlations

    return print_correlations(
        CorrelationOptions(arguments.candles, arguments.symbol, arguments.timeframe)
    )


def _examine(arguments: argparse.Namespace) -> int:
    from virtuoso.apps.doctor import DoctorOptions, doctor

    error: str | None = None
    try:
        settings = load_settings(arguments.config, os.environ)
    except SettingsError as wrong:
        settings, error = default_settings(), str(wrong)
    options = DoctorOptions(arguments.source, as_json=arguments.json)
    return doctor(settings, options, os.environ, error)


def _token(_arguments: argparse.Namespace) -> int:
    from virtuoso.apps.credentials import print_token

    return print_token()


def _password(_arguments: argparse.Namespace) -> int:
    from virtuoso.apps.credentials import print_password_hash

    return print_password_hash()


_WITHOUT_SETTINGS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "token": _token,
    "password": _password,
    "compile": _compile,
    "schema": _schema,
    "recording": _recording,
    "doctor": _examine,
    "research": _research,
}


def _load(arguments: argparse.Namespace, settings: Settings) -> int:
    from virtuoso.apps.loadtest import LoadOptions, loadtest

    options = LoadOptions(
        arguments.address or f"http://{settings.app.address}:{settings.app.port}",
        seconds=arguments.seconds,
        connections=arguments.connections,
        sockets=max(0, arguments.sockets),
        deaf=max(0, arguments.deaf),
        rate=max(0, arguments.rate),
        as_json=arguments.json,
    )
    return _on_a_loop(loadtest(options))


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    from virtuoso.apps.explain import ExplainOptions, explain
    from virtuoso.apps.scan import ScanOptions, scan

    address = arguments.address or f"http://{settings.app.address}:{settings.app.port}"
    if arguments.command == "explain":
        if arguments.recording or arguments.at or arguments.candles:
            return _show_recorded(arguments, settings)
        return explain(ExplainOptions(address, arguments.symbol, as_json=arguments.json))
    return scan(
        ScanOptions(
            address,
            sort=arguments.sort,
            reverse=arguments.reverse,
            limit=arguments.limit,
            as_json=arguments.json,
            watch=arguments.watch,
        )
    )


def _show_recorded(arguments: argparse.Namespace, settings: Settings) -> int:
    from virtuoso.apps.explain_recording import RecordedOptions, explain_recording

    if arguments.recording is None:
        msg = (
            "expected --recording PATH beside --at: what a past score was made of is not kept "
            "and is made again from a recording (`virtuoso record` makes one); without --at the "
            "running Virtuoso is asked"
        )
        raise SettingsError(msg)
    _begin_logs(settings, arguments.config)
    _keep_kernels(settings)
    options = RecordedOptions(
        arguments.recording,
        arguments.symbol,
        candles=arguments.candles,
        at=arguments.at,
        as_json=arguments.json,
    )
    return explain_recording(settings, options)


def main(argv: Sequence[str] | None = None, *, leave: Callable[[int], None] = sys.exit) -> None:
    """Run a command. Exit codes: 0 done, 78 refused (the reason on standard error), 130 stopped."""
    arguments = parser().parse_args(argv)
    try:
        code = _dispatch(arguments)
        # all is closed: looking through what is left for cycles would only take seconds
        gc.freeze()
        leave(code)
    except VirtuosoError as error:
        sys.stderr.write(f"virtuoso: {error}\n")
        leave(EXIT_REFUSED)
    except KeyboardInterrupt:
        leave(130)
    except BrokenPipeError:
        leave(0)
