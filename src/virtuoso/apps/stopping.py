"""How every process of ours ends: at a signal, all its tasks with it."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

import structlog

from virtuoso.apps.service_manager import keep_telling, tell
from virtuoso.domain.errors import VirtuosoError

log = structlog.get_logger()


def stop_at_signals() -> asyncio.Event:
    """Set at SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def until_stopped(stop: asyncio.Event, *work: Coroutine[Any, Any, None]) -> None:
    """Run all of it until `stop` is set. Raises the error of ours that ended it before."""
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(each) for each in (*work, keep_telling())]
            tell("READY=1")
            await stop.wait()
            tell("STOPPING=1")
            log.info("stopping")
            for task in running:
                task.cancel()
    except BaseExceptionGroup as group:
        ours = _first_of_ours(group)
        if ours is None:
            raise
        raise ours from group


def _first_of_ours(group: BaseExceptionGroup[BaseException]) -> VirtuosoError | None:
    for error in group.exceptions:
        found = _first_of_ours(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, VirtuosoError):
            return found
    return None
