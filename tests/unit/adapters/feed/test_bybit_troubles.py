"""What is told of Bybit's topics in trouble, and when they are asked for again."""

from virtuoso.adapters.feed.bybit.parse import TopicName
from virtuoso.adapters.feed.bybit.settings import BybitSettings, Patience
from virtuoso.adapters.feed.bybit.topics import topics_of
from virtuoso.adapters.feed.bybit.troubles import Troubles
from virtuoso.adapters.feed.connection import Outbox
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import Topic, TopicRefused, TopicRestored, TopicSilent
from virtuoso.testing.fake_clock import FakeClock

SOL = Instrument(BYBIT, Symbol("SOLUSDT"))
NAMES = topics_of(SOL, BybitSettings(candle_intervals=("1", "5")))
BY_TOPIC = {name.topic: name for name in NAMES}
CANDLES = [name for name in NAMES if name.topic is Topic.CANDLES]
TEN_MINUTES = 600_000


class Desk:
    """Troubles, a clock, and what was told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.outbox = Outbox()
        self.troubles = Troubles(Patience(), self.outbox, self.clock)

    async def told(self) -> list[tuple[type, Topic]]:
        """What was told since the last time."""
        found: list[tuple[type, Topic]] = []
        await self.outbox.put([TopicRestored(SOL, Topic.BOOK, self.clock.now())])
        while True:
            (word,) = await self.outbox.get()
            assert isinstance(word, TopicRefused | TopicSilent | TopicRestored)
            if isinstance(word, TopicRestored) and word.topic is Topic.BOOK:
                return found
            found.append((type(word), word.topic))


async def test_a_refused_topic_is_asked_for_again_after_ten_minutes() -> None:
    """Or on the next connection, whichever comes first."""
    desk, name = Desk(), BY_TOPIC[Topic.TICKER]
    await desk.troubles.refuse(name.text, name, "error:handler not found")
    assert await desk.told() == [(TopicRefused, Topic.TICKER)]
    desk.clock.advance(TEN_MINUTES - 1)
    assert desk.troubles.is_set_aside(name.text)
    desk.clock.advance(1)
    assert not desk.troubles.is_set_aside(name.text)
    await desk.troubles.refuse(name.text, name, "error:handler not found")
    desk.troubles.begin()
    assert not desk.troubles.is_set_aside(name.text)


async def test_a_ticker_is_well_when_it_speaks_and_trades_when_they_are_granted() -> None:
    """Trades and liquidations may have nothing to say for long."""
    desk = Desk()
    for topic, told in ((Topic.TICKER, []), (Topic.LIQUIDATIONS, [TopicRestored])):
        name: TopicName = BY_TOPIC[topic]
        await desk.troubles.refuse(name.text, name, "no")
        await desk.told()
        await desk.troubles.accept(name)
        assert await desk.told() == [(kind, topic) for kind in told]
        assert desk.troubles.is_troubled(name.text) is (not told)
    await desk.troubles.speaks(BY_TOPIC[Topic.TICKER].text)
    assert await desk.told() == [(TopicRestored, Topic.TICKER)]


async def test_three_unreadable_frames_set_a_topic_aside_whatever_connection_comes() -> None:
    """It is told once more when its instrument is connected anew, and well after ten minutes."""
    desk, name = Desk(), BY_TOPIC[Topic.TRADES]
    for _ in range(2):
        await desk.troubles.strike(name)
        assert await desk.told() == []
    await desk.troubles.strike(name)
    assert await desk.told() == [(TopicRefused, Topic.TRADES)]
    desk.troubles.begin()
    await desk.troubles.admit(name)
    await desk.troubles.admit(BY_TOPIC[Topic.TICKER])
    assert desk.troubles.is_set_aside(name.text)
    assert await desk.told() == [(TopicRefused, Topic.TRADES)]
    desk.clock.advance(TEN_MINUTES)
    assert not desk.troubles.is_set_aside(name.text)
    await desk.troubles.accept(name)
    await desk.troubles.speaks(name.text)
    assert await desk.told() == [(TopicRestored, Topic.TRADES)]


async def test_silence_is_told_once_a_connection() -> None:
    """And its end once."""
    desk, name = Desk(), BY_TOPIC[Topic.QUOTE]
    for _ in range(3):
        await desk.troubles.silence(name, "not a word")
    assert await desk.told() == [(TopicSilent, Topic.QUOTE)]
    desk.troubles.begin()
    await desk.troubles.silence(name, "not a word")
    assert await desk.told() == [(TopicSilent, Topic.QUOTE)]
    for _ in range(2):
        await desk.troubles.speaks(name.text)
    assert await desk.told() == [(TopicRestored, Topic.QUOTE)]


async def test_candles_are_well_when_all_their_intervals_are() -> None:
    """One kind of data, several topics."""
    desk = Desk()
    for name in CANDLES:
        await desk.troubles.silence(name, "not a word")
    await desk.told()
    await desk.troubles.speaks(CANDLES[0].text)
    assert await desk.told() == []
    await desk.troubles.speaks(CANDLES[1].text)
    assert await desk.told() == [(TopicRestored, Topic.CANDLES)]


async def test_what_is_given_up_is_forgotten() -> None:
    """Nothing is told of it, and it may be asked for at once."""
    desk, name = Desk(), BY_TOPIC[Topic.TICKER]
    await desk.troubles.refuse(name.text, name, "no")
    await desk.told()
    desk.troubles.forget([name.text])
    await desk.troubles.speaks(name.text)
    assert await desk.told() == []
    assert not desk.troubles.is_set_aside(name.text)
