"""The composition root of `virtuoso run`: engine, web and monitor in one process."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import structlog

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.cache.memory import MemoryCache
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.apps.exchange import exchange_beside
from virtuoso.apps.scoring import definition_of, lane_maker
from virtuoso.apps.settings import Settings
from virtuoso.apps.sources import OpenSource, open_source
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.time import SECOND
from virtuoso.engine.engine import Engine, EngineSettings
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.publisher import Publisher
from virtuoso.engine.warmup import Warmup
from virtuoso.monitor.app import create_monitor
from virtuoso.ports import Clock
from virtuoso.simulator.settings import ExchangeSettings
from virtuoso.web.app import create_app
from virtuoso.web.server import bind, serve

log = structlog.get_logger()
