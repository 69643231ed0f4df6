"""`virtuoso explain --at`: a second of a recording taken apart is that second of its replay."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import structlog

from support.markets import BTC, ETH, history_of, listing_of
from support.tapes import Entry, bybit_trade, recorded
from virtuoso.apps.cli import EXIT_REFUSED, main
from virtuoso.apps.explain_recording import RecordedOptions, recorded_detail
from virtuoso.apps.replay import editions_of, replay_headless
from virtuoso.apps.settings_sources import default_settings
from virtuoso.apps.sources import open_replay
from virtuoso.domain.errors import SettingsError, UnknownSymbolError
from virtuoso.domain.instruments import BYBIT, Symbol
from virtuoso.domain.market_data import Connected, Tick, UniverseChosen
from virtuoso.domain.scores import ComponentName
from virtuoso.domain.time import HOUR, SECOND, Millis
from virtuoso.engine.detail_documents import detail_document
from virtuoso.engine.documents import Edition
from virtuoso.engine.pairing import Shown
from virtuoso.indicators.normal import normal_score, phi
from virtuoso.scoring.definition import COMPONENT_RHO
from virtuoso.testing.fake_clock import START
from virtuoso.wire.details import SymbolDetail
from virtuoso.wire.messages import to_json
from virtuoso.wire.records import iso, millis_of
from virtuoso.wire.symbols import SymbolsDocument

T0 = START - START % (4 * HOUR)
SECONDS = 8


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight seconds of two markets with their candles: enough for half of the score."""
    markets = (BTC, ETH)
    entries: list[Entry] = [
        [UniverseChosen(BYBIT, [listing_of(each) for each in markets], Millis(T0))],
        [Connected(BYBIT, frozenset(markets), Millis(T0))],
        [history_of(T0, instrument=each) for each in markets],
    ]
    for second in range(1, SECONDS + 1):
        at = T0 + second * SECOND
        entries += [bybit_trade(at - 400, second), [Tick(Millis(at))]]
    (path,) = recorded(tmp_path_factory.mktemp("tape"), entries)
    return str(path)


@pytest.fixture(scope="module")
def replayed(recording: str, tmp_path_factory: pytest.TempPathFactory) -> list[SymbolsDocument]:
    """What `virtuoso replay` writes of it."""
    out = tmp_path_factory.mktemp("replay") / "out.jsonl"
    replay_headless(default_settings(), recording, None, out)
    return [
        msgspec.json.decode(line, type=SymbolsDocument) for line in out.read_bytes().splitlines()
    ]


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """Commands configure the log of their process; this one goes on with its own."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def options(recording: str, at: int | None, symbol: str = "BTCUSDT") -> RecordedOptions:
    """Ask for a second."""
    when = None if at is None else Millis(at)
    return RecordedOptions(recording, symbol, at=when)


async def shown_at(recording: str, at: int | None) -> SymbolDetail:
    """What `explain` shows of Bitcoin."""
    return await recorded_detail(default_settings(), Symbol("BTCUSDT"), options(recording, at))


async def editions(recording: str) -> list[Edition]:
    """Every second of the replay."""
    source = open_replay(recording, None, None)
    return [each async for each in editions_of(default_settings(), source)]


async def test_it_equals_the_document_of_the_replay_at_that_second(
    recording: str, replayed: list[SymbolsDocument]
) -> None:
    """Asked with the time stamp of a replayed second, it gives that second, to the byte."""
    whole = await editions(recording)
    assert len(whole) >= SECONDS
    for edition in (whole[1], whole[4], whole[-1]):
        detail = await shown_at(recording, millis_of(edition.timestamp))
        view = edition.cycle.markets[0]
        expected = detail_document(edition, Shown("BTCUSDT", view), detail.record)
        assert to_json(detail) == to_json(expected)
        assert detail.now == edition.cycle.now
    assert detail.record.confluence_score is not None
    assert detail.account is not None
    assert detail.account.neutral is not None
    for line in (replayed[1], replayed[4], replayed[-1]):
        detail = await shown_at(recording, millis_of(line.timestamp))
        assert to_json(detail.record) == to_json(line.symbols[0])


async def test_a_reader_can_compute_the_score_from_the_document_alone(recording: str) -> None:
    """Members, rho and weights are all there: the score and what it would be without a member."""
    detail = await shown_at(recording, None)
    account = detail.account
    assert account is not None
    assert account.neutral is not None
    assert account.neutral.member is not None
    assert score_from(detail, None) == pytest.approx(detail.record.confluence_score, abs=0.02)
    neutral = score_from(detail, account.neutral.member)
    assert neutral == pytest.approx(account.neutral.score, abs=0.02)
    assert abs(account.neutral.change or 0.0) > 0.1
    assert account.points_up + account.points_down == pytest.approx(
        (detail.record.confluence_score or 0.0) - 50.0, abs=0.01
    )
    lost = sum(each.coverage for each in account.missing)
    assert lost + account.coverage == pytest.approx(1.0, abs=1e-5)


def score_from(detail: SymbolDetail, neutral: str | None) -> float:
    """Compute the score of a document by section 3 and 5; one member may be set to 50."""
    account = detail.account
    assert account is not None
    numbers, weights, zs = [], [], []
    for number, component in enumerate(detail.components):
        if component.score is None:
            continue
        there = [each for each in component.members if each.score is not None]
        total = sum(each.weight for each in there)
        shares = np.array([each.weight / total for each in there])
        scores = [50.0 if each.name == neutral else each.score or 0.0 for each in there]
        pooled = shares @ np.array([normal_score(each) for each in scores])
        squares = shares @ shares
        rho = COMPONENT_RHO[component.name]
        numbers.append(number)
        weights.append(account.weights[number])
        zs.append(float(np.clip(pooled / np.sqrt(squares + rho * (1 - squares)), -2.3263, 2.3263)))
    w = np.array(weights) / sum(weights)
    matrix = np.array(account.rho)[np.ix_(numbers, numbers)]
    return 100.0 * phi(float(w @ np.array(zs) / np.sqrt(w @ matrix @ w)))


async def test_a_time_between_two_seconds_shows_the_one_before(recording: str) -> None:
    """Nothing that came after the time is in it."""
    whole = await editions(recording)
    between = await shown_at(recording, whole[3].cycle.now + 999)
    assert between.now == whole[3].cycle.now
    assert all(each.as_of is None or each.as_of <= between.now for each in between.inputs)


async def test_without_a_time_the_last_second_is_shown(recording: str) -> None:
    """The end of the recording."""
    whole = await editions(recording)
    assert (await shown_at(recording, None)).now == whole[-1].cycle.now


@pytest.mark.parametrize("away", [-24 * HOUR, -30 * SECOND, 30 * SECOND, 24 * HOUR])
async def test_a_time_outside_the_recording_is_refused_with_its_span(
    recording: str, away: int
) -> None:
    """Neither the first nor the last second is passed off as another."""
    whole = await editions(recording)
    edge = whole[0].cycle.now if away < 0 else whole[-1].cycle.now
    with pytest.raises(SettingsError, match=r"expected a time .*, found " + iso(edge + away)):
        await shown_at(recording, edge + away)


async def test_a_symbol_that_was_not_recorded_is_refused_with_those_that_were(
    recording: str,
) -> None:
    """The list is in the message."""
    asked = options(recording, None, "SOLUSDT")
    with pytest.raises(UnknownSymbolError, match=r"\(BTCUSDT, ETHUSDT\), found SOLUSDT"):
        await recorded_detail(default_settings(), Symbol("SOLUSDT"), asked)


def refused(*arguments: str) -> int:
    """Exit code of a command that is refused."""
    codes: list[int] = []
    main(["explain", *arguments], leave=codes.append)
    return codes[0]


def test_a_time_without_a_recording_says_what_is_needed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """There is no store of past scores to ask."""
    assert refused("BTCUSDT", "--at", "2026-07-19T12:00:00Z") == EXIT_REFUSED
    assert "expected --recording PATH beside --at" in capsys.readouterr().err


def test_a_recording_that_is_not_there_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The reason stands on standard error, nothing on standard output."""
    assert refused("BTCUSDT", "--recording", str(tmp_path / "none.vrec")) == EXIT_REFUSED
    said = capsys.readouterr()
    assert said.out == ""
    assert "expected" in said.err


@pytest.mark.parametrize("text", ["yesterday", "12:00", "2026-07-19T25:00:00Z", ""])
def test_what_is_no_time_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The form that is expected is shown."""
    with pytest.raises(SystemExit):
        main(["explain", "BTCUSDT", "--at", text, "--recording", "x"])
    assert "expected a time as 2024-08-08T23:56:00Z (ISO 8601, UTC)" in capsys.readouterr().err


def test_times_are_utc_unless_they_name_another_zone() -> None:
    """The time stamp of a document reads as the millisecond it was made from."""
    assert millis_of(iso(START + 250)) == START + 250
    assert millis_of("2026-07-19T12:00:00") == millis_of("2026-07-19T12:00:00Z")
    assert millis_of("2026-07-19T14:00:00+02:00") == millis_of("2026-07-19T12:00:00Z")


def test_json_is_the_document_and_the_page_names_the_second(
    recording: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Both forms say the same score; ages count from the second shown."""
    at = iso(T0 + 5 * SECOND)
    codes: list[int] = []
    main(["explain", "btcusdt", "--at", at, "--recording", recording, "--json"], leave=codes.append)
    detail = msgspec.json.decode(capsysbinary.readouterr().out, type=SymbolDetail)
    assert detail.record.symbol == "BTCUSDT"
    assert detail.now <= T0 + 5 * SECOND
    main(["explain", "BTCUSDT", "--at", at, "--recording", recording], leave=codes.append)
    page = capsysbinary.readouterr().out.decode()
    assert codes == [0, 0]
    assert detail.timestamp in page
    assert "replay" in page
    assert "Most depends on" in page
    assert str(ComponentName.TECHNICAL) in page
