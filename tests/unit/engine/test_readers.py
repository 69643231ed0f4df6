"""Who looks at what: told by the processes that serve, forgotten when nobody does."""

from collections.abc import AsyncIterator

import pytest

from virtuoso.engine.readers import LOOKED_FOR_MS, MOST, Readers
from virtuoso.testing.fake_broker import FakeBroker
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec, Secret
from virtuoso.wire.looking import TELL_EVERY_MS, Looking
from virtuoso.wire.market import Looked


def no_looks() -> AsyncIterator[bytes]:
    """A channel nobody listens to here."""
    return FakeBroker().subscribe(keys.LOOKED)


@pytest.fixture
def clock() -> FakeClock:
    """Moved by hand."""
    return FakeClock()


@pytest.fixture
def readers(clock: FakeClock) -> Readers:
    """Nobody looks at anything."""
    return Readers(no_looks, Codec(), clock)


def said(*symbols: str, codec: Codec | None = None) -> bytes:
    """What a web process says."""
    return (codec or Codec()).encode(keys.LOOKED, Looked("web", 1, 0, symbols))


def test_a_symbol_is_published_while_it_is_looked_at_and_a_little_longer(
    readers: Readers, clock: FakeClock
) -> None:
    """Each look begins the time anew."""
    readers.receive(said("BTCUSDT"))
    assert readers.came.is_set()
    assert readers.take_new() == {"BTCUSDT"}
    assert not readers.came.is_set()
    clock.advance(LOOKED_FOR_MS - 1)
    readers.receive(said("BTCUSDT"))
    assert readers.take_new() == frozenset()
    clock.advance(LOOKED_FOR_MS - 1)
    assert readers.symbols() == {"BTCUSDT"}
    clock.advance(1)
    assert readers.symbols() == frozenset()


def test_no_more_are_published_than_the_bound(readers: Readers) -> None:
    """A flood of symbols costs what the bound costs; those asked for last stay."""
    for number in range(3 * MOST):
        readers.receive(said(f"S{number}USDT"))
    assert len(readers.symbols()) == MOST
    assert f"S{3 * MOST - 1}USDT" in readers.symbols()
    readers.receive(said(*(f"T{number}USDT" for number in range(10 * MOST))))
    assert len(readers.symbols()) == MOST
    assert len(readers.take_new()) <= MOST


def test_what_is_not_signed_with_our_secret_is_not_believed(clock: FakeClock) -> None:
    """Whoever can write to the broker cannot make the engine work without the secret."""
    ours = Codec(Secret("a secret that is long enough"))
    readers = Readers(no_looks, ours, clock)
    readers.receive(said("BTCUSDT"))
    readers.receive(b"nonsense")
    assert readers.refused == 2
    assert readers.symbols() == frozenset()
    readers.receive(said("BTCUSDT", codec=ours))
    assert readers.symbols() == {"BTCUSDT"}


async def test_the_engine_is_told_at_the_first_look_and_then_every_few_seconds(
    clock: FakeClock,
) -> None:
    """A thousand readers of one symbol say it once."""
    broker = FakeBroker()
    looking = Looking(broker, Codec(), clock)
    assert await looking.look("BTCUSDT")
    for _ in range(1_000):
        assert not await looking.look("BTCUSDT")
    assert len(broker.published) == 1
    clock.advance(TELL_EVERY_MS)
    assert await looking.look("BTCUSDT")
    assert 3 * TELL_EVERY_MS <= LOOKED_FOR_MS
    looking.forget("BTCUSDT")
    assert await looking.look("BTCUSDT")
