"""The server: both venues, each with its doors, on one port of this machine."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence

import msgspec
import structlog
from aiohttp import web

from virtuoso.simulator.binance.rest import RefusedError as BinanceRefusedError
from virtuoso.simulator.binance.weights import WEIGHT_LIMIT, Budget, weight_of
from virtuoso.simulator.directory import Directory, Pause
from virtuoso.simulator.faults import FAULTS, FaultRequest, read_script
from virtuoso.simulator.garbage import GARBAGE
from virtuoso.simulator.recorded import Recorded
from virtuoso.simulator.recording import Recording
from virtuoso.simulator.rest import RefusedError, Result
from virtuoso.simulator.rest_faults import fail
from virtuoso.simulator.settings import ExchangeSettings
from virtuoso.simulator.stream import Stream
from virtuoso.simulator.synthetic import Synthetic
from virtuoso.simulator.venues import Query, Venues

_log = structlog.get_logger(__name__)

_PATIENCE_SECONDS = 0.5
"""How long requests in flight may take when the server stops."""
_NOT_FOUND = 10017
_PAUSE_SECONDS = 600.0
_MOST_PAUSES = 20
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_MOST_FAULTS = 10_000
_CATEGORY = "{category:public|market}"
_MODE = "{mode:stream|ws}"


class ExchangeServer:
    """Venues that live in this process: real sockets, an invented or a recorded market."""

    def __init__(
        self,
        settings: ExchangeSettings,
        clock: Callable[[], float] = time.time,
        recording: Recording | None = None,
    ) -> None:
        """`clock` returns seconds since 1970: the only clock that the invented market reads."""
        self._settings = settings
        self._clock = clock
        self._recording = recording
        self._budget = Budget()
        self._scheduled: set[asyncio.TimerHandle] = set()
        self._injecting: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._living: asyncio.Task[None] | None = None

    @property
    def directory(self) -> Directory:
        """Who is listed."""
        return self._venues.directory

    @property
    def stream(self) -> Stream:
        """Bybit's websocket side."""
        return self._venues.stream

    async def start(self, host: str | None = None, port: int | None = None) -> int:
        """Make the market, begin to serve, return the port.

        Raises OSError when the port is taken.
        """
        settings = self._settings
        host = settings.host if host is None else host
        port = settings.port if port is None else port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # before the market is made: a port that is taken should be known at once
        sock = socket.create_server((host, port), family=family)
        try:
            self._venues: Venues = await asyncio.to_thread(self._open)
            self._runner = web.AppRunner(
                self._application(), access_log=None, shutdown_timeout=_PATIENCE_SECONDS
            )
            await self._runner.setup()
            await web.SockSite(self._runner, sock).start()
        except BaseException:
            sock.close()
            raise
        self._living = asyncio.create_task(self._venues.live())
        actual = int(sock.getsockname()[1])
        market = self._venues.describe()
        _log.info(
            "exchange_started",
            host=host,
            port=actual,
            market=market["market"],
            symbols=len(self.directory.listed()),
        )
        return actual

    async def wait(self) -> None:
        """Wait until the server is stopped; raise what ended it, if something did."""
        if self._living is not None:
            await asyncio.wait([self._living])
            if not self._living.cancelled():
                self._living.result()

    async def stop(self) -> None:
        """End all connections and free the port."""
        for timer in self._scheduled:
            timer.cancel()
        if self._living is not None:
            self._living.cancel()
            await asyncio.wait([self._living])
        if self._runner is not None:
            venues = self._venues
            await asyncio.gather(
                venues.stream.hub.close_all(), venues.binance_stream.hub.close_all()
            )
            await self._runner.cleanup()
            self._runner = None
            _log.info("exchange_stopped")
        await self.wait()

    def schedule(self, script: Sequence[FaultRequest]) -> None:
        """Let faults begin, each at its time from now. Raises ValueError for a wrong detail."""
        if len(script) > _MOST_FAULTS:
            message = f"expected at most {_MOST_FAULTS} faults, found {len(script)}"
            raise ValueError(message)
        for request in script:
            self._venues.check(request)
        loop = asyncio.get_running_loop()
        for request in script:
            self._scheduled.add(loop.call_later(request.at, self._begin_later, request))

    def _open(self) -> Venues:
        if self._recording is not None:
            return Recorded(self._recording, self._settings)
        return Synthetic(self._settings, self._clock)

    def _application(self) -> web.Application:
        application = web.Application()
        router, binance = application.router, self._venues.binance_stream.handle
        router.add_get("/v5/public/linear", self._venues.stream.handle)
        router.add_get("/v5/market/{name:.+}", self._bybit_data)
        router.add_get("/v5/system/status", self._bybit_status)
        router.add_get(f"/{_CATEGORY}/{_MODE}", binance)
        router.add_get(f"/{_CATEGORY}/{_MODE}/{{streams:.+}}", binance)
        router.add_get(f"/{_MODE}", binance)
        router.add_get(f"/{_MODE}/{{streams:.+}}", binance)
        router.add_get("/fapi/v1/{name:.+}", self._binance_data)
        router.add_get("/futures/data/{name:.+}", self._binance_series)
        router.add_get("/simulator", self._describe)
        router.add_get("/simulator/faults", self._list_faults)
        router.add_post("/simulator/faults", self._begin_faults)
        return application

    async def _bybit_data(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        answer = self._venues.bybit.get(name)
        if answer is None:
            response = self._respond({}, code=_NOT_FOUND, message="Route not found.", status=404)
        else:
            try:
                response = self._respond(answer(request.query))
            except RefusedError as refusal:
                response = self._respond({}, code=refusal.code, message=str(refusal))
        return await self._bybit_answer(request, response)

    async def _bybit_status(self, request: web.Request) -> web.StreamResponse:
        now = self._venues.now_ms()
        rows = [
            {
                "id": f"simulated-{number}",
                "title": "Planned maintenance of the simulator",
                "state": pause.state(now),
                "begin": str(pause.begin),
                "end": str(pause.end),
                "href": "",
                "serviceTypes": [1, 5],
                "product": [1],
                "uidSuffix": [],
                "maintainType": 1,
                "env": 1,
            }
            for number, pause in enumerate(self._venues.directory.pauses)
        ]
        return await self._bybit_answer(request, self._respond({"list": rows}))

    async def _bybit_answer(
        self, request: web.Request, response: web.Response
    ) -> web.StreamResponse:
        """Give an answer, or what a fault makes of it."""
        fault = self._venues.faults.rest("bybit", request.path)
        return response if fault is None else await fail(fault, "bybit", request, response)

    def _respond(
        self, result: Result, *, code: int = 0, message: str = "OK", status: int = 200
    ) -> web.Response:
        body = {
            "retCode": code,
            "retMsg": message,
            "result": result,
            "retExtInfo": {},
            "time": self._venues.now_ms(),
        }
        return _json(body, status)

    async def _binance_data(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        waiting = self._budget.spend(weight_of(name, request.query), self._venues.now_ms())
        if waiting is not None:
            message = f"Too many requests; current limit is {WEIGHT_LIMIT} request weight a minute."
            body = {"code": -1003, "msg": message}
            response = _json(body, 418 if waiting < 0 else 429)
            response.headers["Retry-After"] = str(abs(waiting))
        else:
            response = _answer_binance(self._venues.binance.get(name), request)
        response.headers["X-MBX-USED-WEIGHT-1M"] = str(self._budget.used)
        fault = self._venues.faults.rest("binance", request.path)
        return response if fault is None else await fail(fault, "binance", request, response)

    async def _binance_series(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        response = _answer_binance(self._venues.binance_series.get(name), request)
        fault = self._venues.faults.rest("binance", request.path)
        return response if fault is None else await fail(fault, "binance", request, response)

    async def _describe(self, request: web.Request) -> web.Response:
        _only_from_here(request)
        venues = self._venues
        return _json(
            {
                **venues.describe(),
                "time": venues.now_ms(),
                "protocols": ["bybit", "binance"],
                "pushed": {
                    "bybit": venues.stream.hub.pushed,
                    "binance": venues.binance_stream.hub.pushed,
                },
                "active_faults": venues.faults.active(),
            }
        )

    async def _list_faults(self, request: web.Request) -> web.Response:
        _only_from_here(request)
        return _json(
            {
                "faults": dict(FAULTS),
                "garbage_variants": list(GARBAGE),
                "active": self._venues.faults.active(),
                "scheduled": sum(not timer.cancelled() for timer in self._scheduled),
            }
        )

    async def _begin_faults(self, request: web.Request) -> web.Response:
        _only_from_here(request)
        try:
            script = read_script(await request.read())
            now = [each for each in script if not each.at]
            for each in script:
                self._venues.check(each)
            for each in now:
                await self._begin(each)
            self.schedule([each for each in script if each.at])
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        return await self._list_faults(request)

    def _begin_later(self, request: FaultRequest) -> None:
        now = asyncio.get_running_loop().time()
        self._scheduled = {timer for timer in self._scheduled if timer.when() > now}
        task = asyncio.create_task(self._begin(request))
        self._injecting.add(task)
        task.add_done_callback(self._injecting.discard)

    def _announce(self, request: FaultRequest) -> None:
        pauses = self._venues.directory.pauses
        if len(pauses) == _MOST_PAUSES:
            del pauses[0]
        begin = self._venues.now_ms() + round(request.delay * 1_000)
        lasts = _PAUSE_SECONDS if request.seconds is None else request.seconds
        pauses.append(Pause(begin, begin + round(lasts * 1_000)))

    async def _begin(self, request: FaultRequest) -> None:
        """Let a fault happen. Raises ValueError for a wrong detail."""
        await self._venues.begin(request)
        if request.fault == "announce_maintenance":
            self._announce(request)
        if request.fault == "clear":
            self._venues.directory.pauses.clear()
            for timer in self._scheduled:
                timer.cancel()
            self._scheduled.clear()
        _log.warning("fault_injected", fault=request.fault, about=request.describe())


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        content_type="application/json",
        charset="utf-8",
    )


def _answer_binance(answer: Callable[[Query], object] | None, request: web.Request) -> web.Response:
    if answer is None:
        return _json({"code": -5000, "msg": f"Path {request.path}, Method GET is invalid"}, 404)
    try:
        return _json(answer(request.query))
    except BinanceRefusedError as refusal:
        return _json({"code": refusal.code, "msg": str(refusal)}, 400)


def _only_from_here(request: web.Request) -> None:
    """Refuse other machines, and web pages: a page cannot send this type to another site."""
    if request.remote not in _LOOPBACK:
        raise web.HTTPForbidden(text="faults are injected from this machine only")
    if request.method == "POST" and request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="expected content type application/json")


async def serve(
    settings: ExchangeSettings,
    on_ready: Callable[[int], None] = lambda _: None,
    script: Sequence[FaultRequest] = (),
    recording: Recording | None = None,
) -> None:
    """Run the venues until cancelled; `on_ready` is told the port, then the script begins.

    Raises OSError when the port is taken, ValueError for a fault that makes no sense here.
    """
    server = ExchangeServer(settings, recording=recording)
    try:
        port = await server.start()
        server.schedule(script)
        on_ready(port)
        await server.wait()
    finally:
        await server.stop()
