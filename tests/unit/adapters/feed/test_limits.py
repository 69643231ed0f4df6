"""What may be asked of a venue: turns, complaints, bans that outlive us, and the breaker."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.adapters.feed.bans import LONGEST_BAN_MS, Ban, BanFile
from virtuoso.adapters.feed.breaker import FAILURES, FIRST_PAUSE_MS, Breaker, BreakerState
from virtuoso.adapters.feed.limits import BAN_MS, Budgets, Pool, RequestBudget
from virtuoso.adapters.feed.line import Line, Priority
from virtuoso.domain.errors import RateLimitedError, VenueRefusedError, VenueUnavailableError
from virtuoso.domain.instruments import BINANCE, BYBIT
from virtuoso.domain.time import DAY, HOUR, MINUTE, SECOND, Millis
from virtuoso.testing.fake_clock import FakeClock

TOO_MANY = '{"retCode":10006,"retMsg":"Too many visits!"}'
GOOD = '{"retCode":0,"retMsg":"OK"}'


class InstantLoop(asyncio.SelectorEventLoop):
    """A loop on which waiting takes no time: its clock jumps to whatever is due next."""

    def __init__(self) -> None:
        self.at = 0.0
        super().__init__()

    def time(self) -> float:
        """The virtual time."""
        return self.at

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.at = max(self.at, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def run_at_once(work: Coroutine[Any, Any, None]) -> None:
    """Run on virtual time."""
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        runner.run(work)


def loop_ms() -> int:
    """The loop's clock as a monotonic clock."""
    return round(asyncio.get_running_loop().time() * SECOND)


Asked = tuple[int, float, Priority]
ASKED = st.tuples(st.integers(0, 20_000), st.floats(0.1, 40), st.sampled_from(sorted(Priority)))


@given(asked=st.lists(ASKED, max_size=60))
@settings(deadline=None, max_examples=100)
def test_no_window_holds_more_than_the_amount(asked: Sequence[Asked]) -> None:
    """Whatever is asked when and how urgently, and everybody gets a turn in the end."""
    passed: list[tuple[int, float]] = []

    async def work() -> None:
        line = Line("venue", 50, 5, loop_ms)

        async def ask(at: int, weight: float, priority: Priority) -> None:
            await asyncio.sleep(at / SECOND)
            await line.wait(min(weight, 37), priority)
            passed.append((loop_ms(), min(weight, 37)))

        await asyncio.gather(*(ask(*each) for each in asked), return_exceptions=True)

    run_at_once(work())
    for at, _ in passed:
        assert sum(weight for when, weight in passed if at - 5_000 < when <= at) <= 50 + 1e-6


def test_what_is_urgent_goes_first_and_finds_room() -> None:
    """A hundred requests of the long past wait; a book asked for later goes at once."""
    order: list[tuple[str, int]] = []

    async def work() -> None:
        line = Line("venue", 40, 10, loop_ms)

        async def ask(name: str, priority: Priority) -> None:
            await line.wait(1, priority)
            order.append((name, loop_ms()))

        tasks = [asyncio.ensure_future(ask("past", Priority.WARM_UP)) for _ in range(100)]
        await asyncio.sleep(0.1)
        tasks += [asyncio.ensure_future(ask("missed", Priority.BACK_FILL)) for _ in range(20)]
        tasks += [asyncio.ensure_future(ask("book", Priority.BOOK)) for _ in range(4)]
        await asyncio.gather(*tasks)

    run_at_once(work())
    assert order[:30] == [("past", 0)] * 30
    assert order[30:40] == [("missed", 100)] * 6 + [("book", 100)] * 4
    missed = [at for name, at in order if name == "missed"]
    rest = [at for name, at in order[30:] if name == "past"]
    assert max(missed) <= min(rest)


def test_a_request_that_gets_no_turn_gives_up() -> None:
    """After a minute, with an error; it takes nothing from those who wait on."""

    async def work() -> None:
        line = Line("venue", 10, 300, loop_ms)
        await line.wait(10, Priority.BOOK)
        with pytest.raises(RateLimitedError, match="no turn"):
            await line.wait(1, Priority.BOOK)
        assert line.waiting == 0

    run_at_once(work())


def test_a_line_is_bounded() -> None:
    """The one too many is told so."""

    async def work() -> None:
        line = Line("venue", 1, 300, loop_ms)
        await line.wait(1, Priority.BOOK)
        tasks = [asyncio.ensure_future(line.wait(1, Priority.BOOK)) for _ in range(2_000)]
        await asyncio.sleep(0)
        with pytest.raises(RateLimitedError, match="at most 2000"):
            await line.wait(1, Priority.BOOK)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert line.waiting == 0

    run_at_once(work())


async def test_a_budget_is_sixty_percent_of_the_published_limit() -> None:
    """360 requests in 5 s on Bybit, 1,440 of weight a minute on Binance; the next one waits."""
    for venue, amount in ((BYBIT, 360), (BINANCE, 1_440)):
        budget = RequestBudget(venue, FakeClock())
        async with asyncio.timeout(1):
            await budget.spend(amount)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await budget.spend(1)


async def test_binance_counts_some_requests_apart() -> None:
    """300 of the funding pool in 5 minutes, while others go on."""
    budget = RequestBudget(BINANCE, FakeClock())
    for _ in range(225):
        await budget.spend(0, Priority.WARM_UP, Pool.FUNDING)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await budget.spend(0, Priority.WARM_UP, Pool.FUNDING)
    await budget.spend(1, Priority.WARM_UP, Pool.FUTURES_DATA)


async def test_what_others_spend_of_the_same_limit_is_counted() -> None:
    """Binance says how much this address has used; ours shrinks by what is not ours."""
    budget = RequestBudget(BINANCE, FakeClock())
    await budget.spend(100)
    budget.answered(200, {"X-MBX-USED-WEIGHT-1M": "100"}, "[]")
    assert budget.status.used == 100
    budget.answered(200, {"X-MBX-USED-WEIGHT-1M": "1400"}, "[]")
    assert budget.status.used == 1_400
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await budget.spend(41)


async def test_a_complaint_halves_the_budget_which_comes_back_step_by_step() -> None:
    """Complaints of the same second are one."""
    clock = FakeClock()
    budget = RequestBudget(BYBIT, clock)
    headers = {"X-Bapi-Limit-Reset-Timestamp": str(clock.now() + 2_000)}
    for _ in range(5):
        with pytest.raises(RateLimitedError, match="code 10006"):
            budget.answered(200, headers, TOO_MANY)
    assert budget.status.share == 0.5
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await budget.spend()
    clock.advance(2_000)
    await budget.spend(180)
    clock.advance(58_000)
    assert budget.status.share == 0.625
    clock.advance(3 * MINUTE)
    assert budget.status.share == 1.0
    for status, body in ((429, "{}"), (200, '{"retCode":10429}')):
        clock.advance(MINUTE)
        with pytest.raises(RateLimitedError):
            budget.answered(status, {"Retry-After": "7"}, body)
    assert budget.status.share == (0.5 + 0.125) / 2
    assert "10429" in budget.status.last_error


async def test_a_ban_stops_everybody_at_once_and_says_for_how_long() -> None:
    """Those in line as well; the first request of a process learns of the likely cause."""
    clock = FakeClock()
    budget = RequestBudget(BYBIT, clock)
    await budget.spend(360)
    waiting = asyncio.ensure_future(budget.spend())
    await asyncio.sleep(0)
    with pytest.raises(RateLimitedError, match="USA"):
        budget.answered(403, {}, "access too frequent")
    with pytest.raises(RateLimitedError):
        await waiting
    until = budget.banned_until
    assert until == clock.now() + BAN_MS
    with pytest.raises(RateLimitedError, match="left alone for another 601 s"):
        await budget.spend()
    clock.advance(BAN_MS)
    after = budget.banned_until
    assert after is None
    await budget.spend()
    budget.answered(200, {}, GOOD)
    with pytest.raises(RateLimitedError, match="asked too much") as said:
        budget.answered(403, {}, "")
    assert "USA" not in str(said.value)


@pytest.mark.parametrize(
    ("headers", "body", "length"),
    [
        ({}, "", BAN_MS),
        ({"Retry-After": "7200"}, "", 7_200_000),
        ({"Retry-After": "nonsense"}, "", BAN_MS),
        ({"Retry-After": "99999999"}, "", LONGEST_BAN_MS),
        ({}, '{"code":-1003,"msg":"IP banned until UNTIL."}', 2 * HOUR),
    ],
)
def test_a_ban_lasts_as_told_but_never_beyond_reason(
    headers: dict[str, str], body: str, length: int
) -> None:
    """Ten minutes at least, three days at most."""
    clock = FakeClock()
    budget = RequestBudget(BINANCE, clock)
    with pytest.raises(RateLimitedError):
        budget.answered(418, headers, body.replace("UNTIL", str(clock.now() + 2 * HOUR)))
    assert budget.banned_until == clock.now() + length


async def test_a_ban_outlives_the_process(tmp_path: Path) -> None:
    """Read at the start, whole or not at all, by its owner only; forgotten when it is over."""
    clock, folder = FakeClock(), tmp_path / "state"
    with pytest.raises(RateLimitedError):
        Budgets(clock, folder).of(BYBIT).answered(403, {}, "")
    (file,) = folder.iterdir()
    assert file.name == "ban-bybit.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    clock.advance(4 * MINUTE)
    again = Budgets(clock, folder)
    with pytest.raises(RateLimitedError, match="another 361 s: status 403"):
        await again.of(BYBIT).spend()
    assert again.statuses()[0].ban_kept
    await again.of(BYBIT, "http://127.0.0.1:1").spend()  # another address is another matter
    await again.of(BINANCE).spend()
    clock.advance(6 * MINUTE)
    await Budgets(clock, folder).of(BYBIT).spend()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("later", "left"),
    [(MINUTE, 9 * MINUTE), (-HOUR, 10 * MINUTE), (-30 * DAY, 10 * MINUTE), (30 * DAY, 0)],
)
def test_a_wall_clock_that_jumped_does_not_make_a_ban_longer(later: int, left: int) -> None:
    """Set back, it begins anew; never is it longer than it was."""
    now = FakeClock().now()
    ban = Ban(now, now + 10 * MINUTE, "")
    assert ban.left_ms(Millis(now + later)) == left


def test_a_ban_of_a_mad_clock_ends_after_three_days() -> None:
    """Whatever the file says."""
    assert Ban(0, 9_000_000_000_000, "").left_ms(Millis(1_000)) == LONGEST_BAN_MS


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"since":-1}', b"[]", b"0" * 9_999])
def test_a_ban_file_that_is_no_ban_is_none(tmp_path: Path, content: bytes) -> None:
    """A start never fails because of it."""
    file = BanFile(tmp_path, "bybit")
    file.path.write_bytes(content)
    assert file.read() is None
    assert file.write(Ban(1, 2, "again"))
    assert file.read() == Ban(1, 2, "again")


def test_a_ban_that_cannot_be_kept_still_holds(tmp_path: Path) -> None:
    """And the status says that a restart would forget it."""
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    budget = Budgets(FakeClock(), blocked / "state").of(BYBIT)
    with pytest.raises(RateLimitedError):
        budget.answered(403, {}, "")
    assert budget.banned_until is not None
    assert not budget.status.ban_kept


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, "", VenueUnavailableError),
        (200, "<!DOCTYPE html>", VenueUnavailableError),
        (200, '{"retCode":10016,"retMsg":""}', VenueUnavailableError),
        (400, '{"code":-1001,"msg":""}', VenueUnavailableError),
        (200, '{"retCode":10002}', VenueRefusedError),
        (200, '{"retCode":10003}', VenueRefusedError),
        (200, '{"retCode":10004}', VenueRefusedError),
    ],
)
def test_an_answer_that_is_none_is_an_error(status: int, body: str, error: type[Exception]) -> None:
    """To try again for what is the venue's fault, not to for a wrong key or clock."""
    with pytest.raises(error):
        RequestBudget(BYBIT, FakeClock()).answered(status, {}, body)


async def test_five_failures_in_a_row_end_the_asking_for_a_while() -> None:
    """Then one probe goes; its failure makes the pause longer, its success ends it."""
    clock = FakeClock()
    budget = RequestBudget(BYBIT, clock)
    for _ in range(FAILURES):
        await budget.spend()
        budget.failed("status 503")
    with pytest.raises(VenueUnavailableError, match=r"another 3 s, after 5 failures .* status 503"):
        await budget.spend()
    clock.advance(FIRST_PAUSE_MS)
    await budget.spend()
    with pytest.raises(VenueUnavailableError, match="until a request that tries it is back"):
        await budget.spend()
    budget.failed("status 503")
    clock.advance(FIRST_PAUSE_MS)
    with pytest.raises(VenueUnavailableError):
        await budget.spend()
    clock.advance(FIRST_PAUSE_MS)
    assert budget.status.breaker is BreakerState.HALF_OPEN
    await budget.spend()
    budget.succeeded()
    assert str(budget.status.breaker) == "closed"
    await budget.spend()


def test_the_pauses_of_a_breaker_grow_to_a_minute() -> None:
    """Those that were under way when it opened do not count as probes."""
    now = [0]
    breaker = Breaker(lambda: now[0])
    for _ in range(FAILURES + 3):
        breaker.failed()
    pauses = []
    for _ in range(8):
        pauses.append(breaker.wait_ms)
        now[0] += breaker.wait_ms
        breaker.enter()
        breaker.failed()
    assert pauses == [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]


def test_a_probe_that_never_comes_back_makes_way() -> None:
    """It may have been cancelled."""
    now = [0]
    breaker = Breaker(lambda: now[0])
    for _ in range(FAILURES):
        breaker.failed()
    now[0] += breaker.wait_ms
    breaker.enter()
    assert breaker.wait_ms > 0
    now[0] += 15_000
    assert breaker.wait_ms <= 0
