"""memcached's protocol: answers in order, however they are cut, and nothing that is not one."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.adapters.cache.memcached_link import Link
from virtuoso.domain.errors import CacheRefusedError, CacheUnavailableError

KEYS = (b"one", b"two", b"three")


class Wire(asyncio.Transport):
    """Takes what is sent and notes when the connection is given up."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Note it."""
        self.sent += bytes(data)

    def abort(self) -> None:
        """Note it."""
        self.aborted = True


def linked(timeout_s: float = 60.0) -> tuple[Link, Wire]:
    """A connection to nobody."""
    link, wire = Link(timeout_s), Wire()
    link.connection_made(wire)
    return link, wire


def answer(values: dict[bytes, bytes]) -> bytes:
    """What memcached says to a get."""
    parts = [b"VALUE %b 0 %d\r\n%b\r\n" % (key, len(each), each) for key, each in values.items()]
    return b"".join(parts) + b"END\r\n"


awkward = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"END\r\n", b"\r\nEND\r\n", b"VALUE one 0 3\r\nabc\r\n", b"\r", b"\r\n"]),
)


@settings(deadline=None)
@given(
    answers=st.lists(st.dictionaries(st.sampled_from(KEYS), awkward), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_answers_are_the_same_wherever_they_are_cut(
    answers: list[dict[bytes, bytes]], cuts: list[int]
) -> None:
    """Values that look like the protocol included; each caller gets its own."""

    async def run() -> None:
        link, wire = linked()
        futures = [link.values(KEYS) for _ in answers]
        assert wire.sent == b"get one two three\r\n" * len(answers)
        stored = link.lines(b"set x 0 1 0\r\n\r\n", 2)
        stream = b"".join(answer(each) for each in answers) + b"STORED\r\nNOT_STORED\r\n"
        places = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
        for first, last in pairwise(places):
            link.data_received(stream[first:last])
        assert [future.result() for future in futures] == answers
        assert stored.result() == {}
        assert link.lost is None
        link.close()

    asyncio.run(run())


@settings(deadline=None)
@given(noise=st.binary(min_size=1, max_size=60), cut=st.integers(0, 60))
def test_noise_loses_the_connection_or_waits_for_more(noise: bytes, cut: int) -> None:
    """No exception, and never a value that was not announced and there."""

    async def run() -> None:
        link, wire = linked()
        future = link.values(KEYS)
        link.data_received(noise[:cut])
        if link.lost is None:
            link.data_received(noise[cut:])
        if link.lost is not None:
            assert wire.aborted
        link.close()
        with pytest.raises((CacheUnavailableError, CacheRefusedError)):
            future.result()

    if b"END\r\n" not in noise:
        asyncio.run(run())


@pytest.mark.parametrize(
    "words",
    [
        b"VALUE one 0 99999999999\r\n",
        b"VALUE one 0 -3\r\nabc\r\n",
        b"VALUE one 0 2\r\nabc\r\n",
        b"VALUE other 0 3\r\nabc\r\n",
        b"VALUE one 0 2\r\nabc\r\nEND\r\n",
        b"VALUE other 0 3\r\nabc\r\nEND\r\n",
        b"VALUE one 0 3",
        b"x" * 3_000,
        b"STORED\r\n",
        b"END\r\nEND\r\n",
    ],
)
async def test_a_lying_server_never_gets_more_than_the_connection(words: bytes) -> None:
    """Lengths that are none, keys nobody asked for, answers nobody waits for."""
    link, wire = linked(timeout_s=0.02)
    future = link.values((b"one",))
    link.data_received(words)
    if words.startswith(b"END"):
        assert future.result() == {}
    else:
        with pytest.raises(CacheUnavailableError):
            await future
    assert wire.aborted
    assert isinstance(link.lost, CacheUnavailableError)


async def test_a_refusal_fails_its_own_command_only() -> None:
    """The lines after it are read in their places."""
    link, _ = linked()
    refused = link.lines(b"...", 3)
    read = link.values((b"one",))
    link.data_received(b"STORED\r\nSERVER_ERROR out of memory storing object\r\nSTORED\r\n")
    link.data_received(answer({b"one": b"1"}))
    with pytest.raises(CacheRefusedError, match="out of memory"):
        refused.result()
    assert read.result() == {b"one": b"1"}
    link.close()


async def test_a_caller_that_went_away_leaves_the_answers_in_order() -> None:
    """Its answer is read and dropped."""
    link, _ = linked()
    gone, here = link.values((b"one",)), link.values((b"two",))
    gone.cancel()
    link.data_received(answer({b"one": b"1"}) + answer({b"two": b"2"}))
    assert here.result() == {b"two": b"2"}
    link.close()


async def test_an_answer_that_waits_to_be_read_is_not_late() -> None:
    """It was this loop that was busy: the answer is taken before the deadline is judged."""
    link, _ = linked(timeout_s=0.01)
    future = link.values((b"one",))
    loop = asyncio.get_running_loop()
    due = loop.time() + 0.02
    while loop.time() < due:
        pass
    loop.call_later(0.0005, link.data_received, answer({b"one": b"1"}))
    assert await future == {b"one": b"1"}
    link.close()
