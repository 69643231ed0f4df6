"""What the ledger promises: signals, alerts, deliveries, settings and audit, on both databases."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import text

from support.stores import Opened, opened
from virtuoso.adapters.store import migrating
from virtuoso.adapters.store.database import Place, open_engine, place_of
from virtuoso.adapters.store.tables import metadata
from virtuoso.domain.alerts import (
    Acknowledgement,
    AlertFilter,
    AlertLevel,
    AlertState,
    Delivery,
    DeliveryState,
)
from virtuoso.domain.deeds import FIRST_LINK, Deed, SettingsVersion, first_break
from virtuoso.domain.errors import StoreRefusedError
from virtuoso.domain.scores import Direction
from virtuoso.domain.signals import Outcome, SignalEvent, SignalFilter, SignalResult, SignalState
from virtuoso.domain.time import HOUR, MINUTE, Millis
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.testing.history_rows import ETHER, LIVE, alert, delivery, signal

LIFE_MS = 30_000


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty database."""
    if request.param == "sqlite":
        return place_of("", tmp_path / "state")
    return place_of(request.getfixturevalue("postgres_server").new_database(), tmp_path)


@pytest.fixture
async def kept(place: Place) -> AsyncIterator[Opened]:
    """A ledger with nothing in it."""
    async with opened(place, FakeClock()) as found:
        yield found


async def test_a_signal_is_kept_once_and_comes_back_as_it_was(kept: Opened) -> None:
    """Its id makes adding it again safe."""
    said = signal()
    assert await kept.ledger.add_signal(said)
    assert not await kept.ledger.add_signal(replace(said, score=1.0))
    assert await kept.archive.signal("s1") == said
    assert await kept.archive.signal("s2") is None


async def test_a_signal_changes_only_from_the_state_it_was_seen_in(kept: Opened) -> None:
    """Of two that decide at once, one is told that it came too late."""
    said = signal()
    await kept.ledger.add_signal(said)
    won = replace(
        said,
        state=SignalState.CLOSED,
        changed_at=Millis(START + HOUR),
        closed_at=Millis(START + HOUR),
        outcome=Outcome.TARGET,
        exit_price=91_500.0,
        best_excursion=0.006,
        worst_excursion=-0.001,
        r=1.0,
        followed_to=Millis(START + HOUR),
    )
    assert await kept.ledger.change_signal(won, SignalState.ACTIVE)
    assert not await kept.ledger.change_signal(said, SignalState.ACTIVE)
    assert await kept.archive.signal("s1") == won


async def test_signals_are_found_by_what_is_asked_and_page_by_page(kept: Opened) -> None:
    """Newest first; the last one of a page names where the next begins."""
    for number in range(7):
        await kept.ledger.add_signal(signal(f"s{number}", START + number * MINUTE))
    await kept.ledger.add_signal(signal("live", START, LIVE))
    await kept.ledger.add_signal(signal("ether", START, ETHER, SignalState.EXPIRED))
    everything = SignalFilter()
    first = await kept.archive.signals(everything, 4)
    second = await kept.archive.signals(everything, 4, first[-1].id)
    third = await kept.archive.signals(everything, 4, second[-1].id)
    names = [each.id for each in (*first, *second, *third)]
    assert names == ["ether", "live", "s6", "s5", "s4", "s3", "s2", "s1", "s0"]

    async def names_of(wanted: SignalFilter) -> list[str]:
        return [each.id for each in await kept.archive.signals(wanted)]

    assert await names_of(SignalFilter(sources=("bybit",))) == ["live"]
    assert await names_of(SignalFilter(symbol="ETHUSDT")) == ["ether"]
    assert await names_of(SignalFilter(states=(SignalState.EXPIRED,))) == ["ether"]
    assert await names_of(SignalFilter(direction=Direction.BEARISH)) == []
    since, until = Millis(START + MINUTE), Millis(START + 3 * MINUTE)
    assert await names_of(SignalFilter(since=since, until=until)) == ["s2", "s1"]


async def test_an_alert_and_what_is_to_be_sent_are_kept_together(kept: Opened) -> None:
    """Once, whatever is asked again."""
    said = alert()
    to_send = [delivery(), replace(delivery("a1:telegram"), channel="telegram")]
    assert await kept.ledger.add_alert(said, to_send)
    assert not await kept.ledger.add_alert(said, to_send)
    assert await kept.archive.alert("a1") == said
    found = await kept.archive.deliveries(["a1"])
    assert [each.id for each in found] == ["a1:discord", "a1:telegram"]
    assert await kept.archive.unsent() == 2
    assert await kept.archive.unsent("discord") == 1


async def test_an_alert_of_which_nothing_can_be_kept_is_not_kept_at_all(kept: Opened) -> None:
    """Numbers that JSON cannot say are refused before anything is written."""
    with pytest.raises(StoreRefusedError, match="JSON"):
        await kept.ledger.add_alert(replace(alert(), details={"score": float("nan")}))
    with pytest.raises(StoreRefusedError):
        await kept.ledger.add_alert(alert(), [delivery(of="nobody")])
    assert await kept.archive.alerts(AlertFilter()) == []


async def test_an_acknowledgement_is_kept_with_who_said_so(kept: Opened) -> None:
    """Only from the states it may come from, and then the alert says so."""
    await kept.ledger.add_alert(alert())
    seen = Acknowledgement("a1", Millis(START + 1), "operator", AlertState.ACKNOWLEDGED, "looking")
    assert await kept.ledger.change_alert(seen, [AlertState.ACTIVE])
    assert not await kept.ledger.change_alert(seen, [AlertState.ACTIVE])
    found = await kept.archive.alert("a1")
    assert found is not None
    assert (found.state, found.changed_at) == (AlertState.ACKNOWLEDGED, START + 1)
    assert list(await kept.archive.acknowledgements("a1")) == [seen]
    open_ones = AlertFilter(states=(AlertState.ACTIVE,))
    assert await kept.archive.alerts(open_ones) == []


async def test_alerts_are_found_by_what_is_asked(kept: Opened) -> None:
    """By level, symbol, rule, kind and time, newest first and page by page."""
    for number in range(5):
        await kept.ledger.add_alert(alert(f"a{number}", START + number))
    await kept.ledger.add_alert(replace(alert("b"), level=AlertLevel.CRITICAL, symbol=None))

    async def names_of(wanted: AlertFilter, before: str | None = None) -> list[str]:
        return [each.id for each in await kept.archive.alerts(wanted, 3, before)]

    assert await names_of(AlertFilter()) == ["b", "a4", "a3"]
    assert await names_of(AlertFilter(), "a3") == ["a2", "a1", "a0"]
    assert await names_of(AlertFilter(levels=(AlertLevel.CRITICAL,))) == ["b"]
    assert await names_of(AlertFilter(symbol="BTCUSDT", until=Millis(START + 2))) == ["a1", "a0"]
    assert await names_of(AlertFilter(rule="another")) == []
    assert await names_of(AlertFilter(kind="confluence", since=Millis(START + 4))) == ["a4"]


async def _claim(kept: Opened, now: int, limit: int = 10) -> list[Delivery]:
    return list(await kept.ledger.claim_deliveries("discord", Millis(now), LIFE_MS, limit))


async def test_messages_of_a_channel_are_claimed_in_their_order_and_once(kept: Opened) -> None:
    """Who asks while a claim holds gets nothing, not even what comes after it."""
    for number in range(3):
        await kept.ledger.add_alert(
            alert(f"a{number}"), [delivery(f"d{number}", f"a{number}", START + number)]
        )
    first = await _claim(kept, START, limit=2)
    assert [each.id for each in first] == ["d0", "d1"]
    assert {each.state for each in first} == {DeliveryState.SENDING}
    assert await _claim(kept, START + 1) == []
    assert list(await kept.ledger.claim_deliveries("telegram", Millis(START), LIFE_MS, 9)) == []
    sent = replace(first[0], state=DeliveryState.SENT, changed_at=Millis(START + 5), remote="77")
    assert await kept.ledger.settle_delivery(sent)
    later = replace(
        first[1], state=DeliveryState.RETRYING, due_at=Millis(START + HOUR), error="429"
    )
    assert await kept.ledger.settle_delivery(later)
    assert await _claim(kept, START + MINUTE) == [], "d2 must not overtake d1"
    again = await _claim(kept, START + HOUR)
    assert [(each.id, each.attempts) for each in again] == [("d1", 2), ("d2", 1)]
    assert again[0].error == "429"


async def test_a_claim_that_ends_without_a_word_is_taken_again(kept: Opened) -> None:
    """And the sender that comes back too late is told that it is no longer its message."""
    await kept.ledger.add_alert(alert(), [delivery()])
    lost = (await _claim(kept, START))[0]
    again = (await _claim(kept, START + LIFE_MS))[0]
    assert (lost.attempts, again.attempts) == (1, 2)
    assert not await kept.ledger.settle_delivery(replace(lost, state=DeliveryState.SENT))
    assert await kept.ledger.settle_delivery(replace(again, state=DeliveryState.DEAD, error="404"))
    assert await kept.archive.unsent() == 0
    assert (await kept.archive.deliveries(["a1"]))[0].error == "404"
    assert not await kept.ledger.settle_delivery(replace(again, state=DeliveryState.SENT))


async def test_versions_of_the_settings_have_no_hole_and_no_twin(kept: Opened) -> None:
    """Of two that write the same number, one is told to look again."""
    one = SettingsVersion(1, Millis(START), "operator", "[app]\nport = 8003\n", "first")
    assert await kept.ledger.add_settings(one)
    assert not await kept.ledger.add_settings(replace(one, text="other"))
    with pytest.raises(StoreRefusedError, match="expected version 2"):
        await kept.ledger.add_settings(replace(one, number=5))
    two = SettingsVersion(2, Millis(START + 1), "operator", "", "back", undoes=1)
    assert await kept.ledger.add_settings(two)
    assert list(await kept.archive.settings()) == [two, one]
    assert list(await kept.archive.settings(before=2)) == [one]


async def test_the_audit_is_a_chain_and_a_changed_entry_breaks_it(kept: Opened) -> None:
    """Whoever edits a row by hand is found out."""
    for number in range(4):
        deed = Deed(Millis(START + number), "operator", "alert.acknowledge", "a1", {"n": number})
        entry = await kept.ledger.add_deed(deed)
        assert (entry.number, entry.deed) == (number + 1, deed)
    chain = list(await kept.archive.audit())[::-1]
    assert chain[0].previous == FIRST_LINK
    assert first_break(chain) is None
    engine = open_engine(kept.store.place, "admin")
    with engine.begin() as link:
        link.execute(text("UPDATE audit SET who = 'somebody' WHERE number = 3"))
    engine.dispose()
    assert first_break(list(await kept.archive.audit())[::-1]) == 3
    assert first_break([*chain[:1], *chain[2:]]) == 2


async def test_what_a_signal_said_is_never_rewritten_and_its_steps_are_kept(kept: Opened) -> None:
    """Only what followed changes; each step is a row of its own, written with the change."""
    said = signal("bybit:1000000MOGUSDT_2026-12-25:bull:1763596800000:abcdef012345")
    opened_step = SignalEvent(said.id, Millis(START), SignalState.ACTIVE, "opened", said.price)
    assert await kept.ledger.add_signal(said, [opened_step])
    later = replace(
        said,
        score=99.0,
        stop=1.0,
        targets=(),
        price=1.0,
        state=SignalState.CONFIRMED,
        targets_hit=1,
        best_excursion=0.004,
        left_at=Millis(START + MINUTE),
        left_as=Outcome.DIRECTION_LEFT,
        reopened=2,
        last_price=91_400.0,
    )
    step = SignalEvent(said.id, Millis(START), SignalState.CONFIRMED, "target_1", 91_500.0)
    assert await kept.ledger.change_signal(later, SignalState.ACTIVE, [step])
    assert not await kept.ledger.change_signal(later, SignalState.ACTIVE, [step])
    found = await kept.archive.signal(said.id)
    assert found == said.followed_like(later)
    assert found is not None
    assert (found.score, found.stop, found.price) == (said.score, said.stop, said.price)
    assert await kept.archive.signal_events(said.id) == [opened_step, step]


async def test_statistics_read_what_they_need_of_signals_and_never_mix_sources(
    kept: Opened,
) -> None:
    """Simulated results and live ones are asked for apart."""
    over = replace(
        signal("over"),
        state=SignalState.CLOSED,
        outcome=Outcome.TARGET,
        r=3.0,
        targets_hit=3,
        best_excursion=0.01,
        worst_excursion=-0.002,
        atr=0.004,
    )
    await kept.ledger.add_signal(over)
    await kept.ledger.add_signal(signal("live", START, LIVE))
    (found,) = await kept.archive.signal_results(SignalFilter(sources=("simulator",)))
    assert found == SignalResult(
        "BTCUSDT", Direction.BULLISH, 4 * HOUR, Millis(START), SignalState.CLOSED, over.method,
        "abcdef012345", Outcome.TARGET, 3.0, 3, 0.01, -0.002, has_stop=True,
        venue="bybit", atr=0.004,
    )  # fmt: skip
    (other,) = await kept.archive.signal_results(SignalFilter(sources=("bybit", "binance")))
    assert other.state is SignalState.ACTIVE


async def test_a_store_of_the_first_schema_is_brought_up_to_date_with_what_is_in_it(
    place: Place,
) -> None:
    """A signal that was kept then is read now, and the columns of today compare to the tables."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrating.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    engine = open_engine(place, "admin")
    body = (
        '{"score":71.5,"confidence":null,"coverage":0.9,"definition":"d","price":100.0,'
        '"components":{},"horizon_ms":14400000,"method":"m","stop":null,"targets":[],'
        '"exit_price":null,"best_excursion":null,"worst_excursion":null,"followed_to":null}'
    )
    with engine.begin() as link:
        config.attributes["connection"] = link
        command.upgrade(config, "0001")
        link.execute(
            text(
                "INSERT INTO signals (id, source, venue, symbol, opened_at, state, direction,"
                " changed_at, body) VALUES ('old', 'bybit', 'bybit', 'BTCUSDT', 1, 'active',"
                " 'Bullish', 1, :body)"
            ),
            {"body": body},
        )
    assert migrating.migrate(place) == "0001"
    with engine.connect() as link:
        # SQLite does not look at the length of a text, and keeps the one of the first schema
        types = engine.dialect.name != "sqlite"
        compared = compare_metadata(
            MigrationContext.configure(link, opts={"compare_type": types}), metadata
        )
    engine.dispose()
    assert compared == []
    async with opened(place, FakeClock()) as kept:
        found = await kept.archive.signal("old")
        assert found is not None
        assert (found.score, found.targets_hit, found.left_as) == (71.5, 0, None)
        assert await kept.archive.signal_results(SignalFilter()) == []


async def test_the_range_of_signals_of_the_second_schema_is_known_to_statistics(
    place: Place,
) -> None:
    """It was kept in the whole signal; the step to today's schema puts it beside."""
    engine = open_engine(place, "admin")
    migrating.migrate(place)
    async with opened(place, FakeClock()) as kept:
        await kept.ledger.add_signal(replace(signal("ranged"), atr=0.004))
        await kept.ledger.add_signal(replace(signal("bare"), atr=None))
    with engine.begin() as link:
        link.execute(text("ALTER TABLE signals DROP COLUMN atr"))
        link.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    engine.dispose()
    assert migrating.migrate(place) == "0002"
    async with opened(place, FakeClock()) as kept:
        results = await kept.archive.signal_results(SignalFilter())
    assert [each.atr for each in results] == [None, 0.004]
