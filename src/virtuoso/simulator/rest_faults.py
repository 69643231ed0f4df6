"""How a REST answer goes wrong."""

import asyncio
import gzip
import time
from functools import lru_cache

import msgspec
from aiohttp import web

from virtuoso.simulator.faults import FaultRequest, VenueName

_MAINTENANCE = "<!DOCTYPE html><html><body><h1>Under maintenance</h1></body></html>"
_SILENCE_SECONDS = 3_600.0
_MEGABYTE = 1_000_000
_DRIPPED = 20
"""Bytes in a drip, so that a body of some kilobytes takes minutes rather than hours."""


async def fail(
    fault: FaultRequest, venue: VenueName, request: web.Request, good: web.Response
) -> web.StreamResponse:
    """Spoil an answer, in the venue's own way where it has one."""
    match fault.fault:
        case "slow_rest":
            await asyncio.sleep(fault.delay)
            return good
        case "silent_rest":
            await asyncio.sleep(_SILENCE_SECONDS)
            return good
        case "rest_down":
            return web.Response(status=fault.status, text="upstream connect error")
        case "maintenance":
            return web.Response(text=_MAINTENANCE, content_type="text/html")
        case "drip_rest" | "cut_rest" | "wrong_length":
            return await _stream_badly(fault, request, good)
        case "gzip_bomb":
            return web.Response(
                body=_bomb(fault.megabytes),
                content_type="application/json",
                headers={"Content-Encoding": "gzip"},
            )
        case "huge_body":
            body = b"[" + b"0," * (fault.megabytes * _MEGABYTE // 2) + b"0]"
            return web.Response(body=body, content_type="application/json")
        case _:
            return _refused_by_bybit(fault) if venue == "bybit" else _refused_by_binance(fault)


def _refused_by_bybit(fault: FaultRequest) -> web.Response:
    if fault.fault == "ban":
        return web.Response(status=403, text="access too frequent")
    limited = fault.fault == "rate_limit"
    usual = 10_006 if limited else 10_016
    code = usual if fault.code is None else fault.code
    now = int(time.time() * 1_000)
    response = _json(
        {
            "retCode": code,
            "retMsg": "Too many visits!" if limited else "Internal server error.",
            "result": {},
            "retExtInfo": {},
            "time": now,
        },
        200,
    )
    if limited:
        response.headers["X-Bapi-Limit"] = "600"
        response.headers["X-Bapi-Limit-Status"] = "0"
        response.headers["X-Bapi-Limit-Reset-Timestamp"] = str(now + 1_000)
    return response


def _refused_by_binance(fault: FaultRequest) -> web.Response:
    if fault.fault in {"ban", "rate_limit"}:
        banned = fault.fault == "ban"
        until = int(time.time() + fault.retry_after) * 1_000
        message = (
            f"Way too many requests; IP banned until {until}."
            if banned
            else "Too many requests; current limit is 2400 requests per minute."
        )
        response = _json({"code": -1003, "msg": message}, 418 if banned else 429)
        response.headers["Retry-After"] = str(fault.retry_after)
        response.headers["X-MBX-USED-WEIGHT-1M"] = "2401"
        return response
    code = -1001 if fault.code is None else fault.code
    return _json({"code": code, "msg": "Internal error; unable to process your request."}, 400)


async def _stream_badly(
    fault: FaultRequest, request: web.Request, good: web.Response
) -> web.StreamResponse:
    body = good.body if isinstance(good.body, bytes) else b""
    response = web.StreamResponse(status=good.status, headers={"Content-Type": "application/json"})
    extra = 1_000 if fault.fault == "wrong_length" else 0
    response.content_length = len(body) + extra
    await response.prepare(request)
    if fault.fault == "drip_rest":
        for at in range(0, len(body), _DRIPPED):
            await response.write(body[at : at + _DRIPPED])
            await asyncio.sleep(fault.delay)
    elif fault.fault == "cut_rest":
        await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
    else:
        await response.write(body)
        await asyncio.sleep(_SILENCE_SECONDS)
    return response


@lru_cache(maxsize=2)
def _bomb(megabytes: int) -> bytes:
    return gzip.compress(b"0" * (megabytes * _MEGABYTE))


def _json(body: object, status: int) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )
