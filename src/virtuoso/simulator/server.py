"""The server: both doors of the venue on one port of this machine."""

import asyncio
import socket
import time
from collections.abc import Callable

import msgspec
import numpy as np
import structlog
from aiohttp import web

from virtuoso.simulator.faults import FAULTS, GARBAGE, FaultRequest, Faults
from virtuoso.simulator.listings import LISTINGS
from virtuoso.simulator.market import Market
from virtuoso.simulator.rest import RefusedError, Rest, Result
from virtuoso.simulator.settings import ExchangeSettings
from virtuoso.simulator.stream import Stream
from virtuoso.simulator.symbol_market import STEP_MS

_log = structlog.get_logger(__name__)

_PATIENCE_SECONDS = 0.5
"""How long requests in flight may take when the server stops."""
_STEPS_AT_ONCE = 5
"""After a pause of the machine the market is lived through in pieces, so that requests go on."""
_NOT_FOUND = 10017
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_REFUSED_HEADERS = {"X-Bapi-Limit": "600", "X-Bapi-Limit-Status": "0"}


class ExchangeServer:
    """A venue that lives in this process: real sockets, an invented market."""

    def __init__(self, settings: ExchangeSettings, clock: Callable[[], float] = time.time) -> None:
        """`clock` returns seconds since 1970: the only clock that the simulator reads."""
        self._settings = settings
        self._clock = clock
        self._listings = LISTINGS[: settings.symbols]
        self._faults = Faults(frozenset(listing.symbol for listing in self._listings))
        self._runner: web.AppRunner | None = None
        self._living: asyncio.Task[None] | None = None

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
            market = await asyncio.to_thread(
                Market,
                self._listings,
                self._now_ms(),
                np.random.default_rng(settings.seed),
            )
            self._market = market
            self._rest = Rest(market, self._now_ms)
            self._stream = Stream(market, self._faults, settings)
            self._runner = web.AppRunner(
                self._application(), access_log=None, shutdown_timeout=_PATIENCE_SECONDS
            )
            await self._runner.setup()
            await web.SockSite(self._runner, sock).start()
        except BaseException:
            sock.close()
            raise
        self._living = asyncio.create_task(self._live())
        actual = int(sock.getsockname()[1])
        _log.info("exchange_started", host=host, port=actual, symbols=len(market.listings))
        return actual

    async def wait(self) -> None:
        """Wait until the server is stopped; raise what ended it, if something did."""
        if self._living is not None:
            await asyncio.wait([self._living])
            if not self._living.cancelled():
                self._living.result()

    async def stop(self) -> None:
        """End all connections and free the port."""
        if self._living is not None:
            self._living.cancel()
            await asyncio.wait([self._living])
        if self._runner is not None:
            await self._stream.close_all()
            await self._runner.cleanup()
            self._runner = None
            _log.info("exchange_stopped")
        await self.wait()

    def _now_ms(self) -> int:
        return int(self._clock() * 1_000)

    async def _live(self) -> None:
        """Let the market follow the clock."""
        market = self._market
        steps = 0
        while True:
            now = self._now_ms()
            due = market.now_ms + STEP_MS
            if due <= now:
                self._stream.publish(market.step(due))
                steps += 1
                if steps % _STEPS_AT_ONCE:
                    continue
            await asyncio.sleep(max(due - now, 0) / 1_000)

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/v5/public/linear", self._stream.handle)
        application.router.add_get("/v5/market/{name:.+}", self._market_data)
        application.router.add_get("/simulator/faults", self._list_faults)
        application.router.add_post("/simulator/faults", self._begin_fault)
        return application

    async def _market_data(self, request: web.Request) -> web.Response:
        fault = self._faults.rest()
        if fault is not None:
            if fault.fault != "slow_rest":
                return self._failure(fault)
            await asyncio.sleep(fault.delay)
        answer = self._rest.answers.get(request.match_info["name"])
        if answer is None:
            return self._respond({}, code=_NOT_FOUND, message="Route not found.", status=404)
        try:
            return self._respond(answer(request.query))
        except RefusedError as refusal:
            return self._respond({}, code=refusal.code, message=str(refusal))

    def _respond(
        self, result: Result, *, code: int = 0, message: str = "OK", status: int = 200
    ) -> web.Response:
        body = {
            "retCode": code,
            "retMsg": message,
            "result": result,
            "retExtInfo": {},
            "time": self._now_ms(),
        }
        return web.Response(
            body=msgspec.json.encode(body),
            status=status,
            content_type="application/json",
            charset="utf-8",
        )

    def _failure(self, fault: FaultRequest) -> web.Response:
        """Answer as the venue does when it is not well."""
        if fault.fault == "rest_down":
            return web.Response(status=503, text="upstream connect error")
        if fault.fault == "ban":
            return web.Response(status=403, text="access too frequent")
        if fault.fault == "maintenance":
            page = "<html><body>Under maintenance</body></html>"
            return web.Response(text=page, content_type="text/html")
        response = self._respond({}, code=10006, message="Too many visits!")
        response.headers.update(_REFUSED_HEADERS)
        response.headers["X-Bapi-Limit-Reset-Timestamp"] = str(self._now_ms() + 1_000)
        return response

    async def _list_faults(self, request: web.Request) -> web.Response:
        _only_from_here(request)
        answer = {
            "faults": dict(FAULTS),
            "garbage_variants": list(GARBAGE),
            "active": self._faults.active(),
        }
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    async def _begin_fault(self, request: web.Request) -> web.Response:
        _only_from_here(request)
        try:
            fault = msgspec.json.decode(await request.read(), type=FaultRequest)
            self._faults.begin(fault)
            await self._stream.inject(fault)
        except (msgspec.MsgspecError, ValueError) as error:
            return web.Response(status=400, text=str(error))
        _log.warning("fault_injected", fault=fault.fault, symbol=fault.symbol, topic=fault.topic)
        return await self._list_faults(request)


def _only_from_here(request: web.Request) -> None:
    """Refuse other machines, and web pages: a page cannot send this type to another site."""
    if request.remote not in _LOOPBACK:
        raise web.HTTPForbidden(text="faults are injected from this machine only")
    if request.method == "POST" and request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="expected content type application/json")


async def serve(
    settings: ExchangeSettings, on_ready: Callable[[int], None] = lambda _: None
) -> None:
    """Run the venue until cancelled; `on_ready` is told the port."""
    server = ExchangeServer(settings)
    try:
        on_ready(await server.start())
        await server.wait()
    finally:
        await server.stop()
