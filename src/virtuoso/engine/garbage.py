"""Keeps the search for cyclic garbage from holding the loop.

Millions of objects live as long as the process: candles, series, states. Looking through all of
them for cycles takes a second and finds nothing. What has lasted is taken out of the search; what
is new is searched often and in small portions.
"""

import asyncio
import gc
from collections.abc import Callable

YOUNG = 10_000
"""New objects after which the newest are searched."""
GENERATIONS = 5
NEVER = 1_000_000
BUSY_SECONDS = 1.0
CALM_SECONDS = 300.0


async def search_gently(growing: Callable[[], bool]) -> None:
    """Work for ever; `growing` says whether much that will last is being loaded."""
    gc.set_threshold(YOUNG, GENERATIONS, NEVER)
    while True:
        waited = 0.0
        while waited < CALM_SECONDS:
            await asyncio.sleep(BUSY_SECONDS)
            waited += BUSY_SECONDS
            if growing():
                gc.collect(0)
                gc.freeze()
        # only what came since the last time is looked at, for the rest is frozen
        gc.collect()
        gc.freeze()
