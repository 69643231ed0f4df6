"""memcached's protocol: answers in order, however they are cut, and nothing that is not one."""

import asyncio
import contextlib
import socket
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.adapters.cache.memcached_link import Link
from virtuoso.domain.errors import CacheRefusedError, CacheUnavailableError

KEYS = (b"one", b"two", b"three")


def linked(timeout_s: float = 60.0) -> tuple[Link, socket.socket]:
    """A connection, and its other end."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    theirs.settimeout(5)
    return Link(ours, timeout_s), theirs


async def ended(link: Link, theirs: socket.socket) -> bool:
    """Close our end, and look whether the other one learns it; what was sent is read over."""
    link.close()
    with theirs:
        while theirs.recv(1 << 16):
            pass
    return True


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
        link, theirs = linked()
        replies = [link.values(KEYS) for _ in answers]
        assert theirs.recv(1 << 16) == b"get one two three\r\n" * len(answers)
        stored = link.lines(b"set x 0 1 0\r\n\r\n", 2)
        stream = b"".join(answer(each) for each in answers) + b"STORED\r\nNOT_STORED\r\n"
        places = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
        for first, last in pairwise(places):
            link.take(stream[first:last])
        assert [await reply for reply in replies] == answers
        assert await stored == {}
        assert link.lost is None
        assert await ended(link, theirs)

    asyncio.run(run())


@settings(deadline=None)
@given(noise=st.binary(min_size=1, max_size=60), cut=st.integers(0, 60))
def test_noise_loses_the_connection_or_waits_for_more(noise: bytes, cut: int) -> None:
    """No exception, and never a value that was not announced and there."""

    async def run() -> None:
        link, theirs = linked()
        reply = link.values(KEYS)
        link.take(noise[:cut])
        if link.lost is None:
            link.take(noise[cut:])
        assert await ended(link, theirs)
        with pytest.raises((CacheUnavailableError, CacheRefusedError)):
            await reply

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
    link, theirs = linked(timeout_s=0.02)
    reply = link.values((b"one",))
    theirs.sendall(words)
    if words.startswith(b"END"):
        assert await reply == {}
    else:
        with pytest.raises(CacheUnavailableError):
            await reply
    assert isinstance(link.lost, CacheUnavailableError)
    assert await ended(link, theirs)


async def test_a_refusal_fails_its_own_command_only() -> None:
    """The lines after it are read in their places."""
    link, theirs = linked()
    refused = link.lines(b"...", 3)
    read = link.values((b"one",))
    theirs.sendall(b"STORED\r\nSERVER_ERROR out of memory storing object\r\nSTORED\r\n")
    theirs.sendall(answer({b"one": b"1"}))
    with pytest.raises(CacheRefusedError, match="out of memory"):
        await refused
    assert await read == {b"one": b"1"}
    assert await ended(link, theirs)


async def test_a_caller_that_went_away_leaves_the_answers_in_order() -> None:
    """Its answer is read and dropped."""
    link, theirs = linked()
    gone, here = asyncio.ensure_future(link.values((b"one",))), link.values((b"two",))
    await asyncio.sleep(0)
    gone.cancel()
    theirs.sendall(answer({b"one": b"1"}) + answer({b"two": b"2"}))
    assert await here == {b"two": b"2"}
    assert gone.cancelled()
    assert await ended(link, theirs)


async def test_an_answer_that_is_there_costs_no_turn_of_the_loop() -> None:
    """It is read in place, where the command was sent."""
    link, theirs = linked()
    theirs.sendall(answer({b"one": b"1"}))
    reply = link.values((b"one",))
    assert reply.done
    assert reply.result() == {b"one": b"1"}
    assert await ended(link, theirs)


class Late(socket.socket):
    """Finds nothing the first times."""

    nothing = 3

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Part of socket."""
        if self.nothing:
            self.nothing -= 1
            raise BlockingIOError
        return super().recv(size, flags)


async def test_an_answer_that_comes_while_it_is_looked_for_costs_no_turn_either() -> None:
    """A server of this machine needs a few microseconds; a turn of the loop costs more."""
    first, theirs = socket.socketpair()
    ours = Late(fileno=first.detach())
    ours.settimeout(0)
    link = Link(ours, 60.0)
    theirs.sendall(answer({b"one": b"1"}))
    reply = link.values((b"one",))
    assert reply.done
    assert reply.result() == {b"one": b"1"}
    link.close()
    theirs.close()


async def test_more_than_the_kernel_takes_is_sent_as_it_makes_room() -> None:
    """Commands behind it keep their places."""
    link, theirs = linked()
    words = b"set one 0 9 4000000\r\n" + b"x" * 4_000_000 + b"\r\n"
    stored, read = link.lines(words, 1), link.values((b"one",))
    expected = words + b"get one\r\n"

    def listen() -> bytes:
        heard = b""
        while len(heard) < len(expected):
            heard += theirs.recv(1 << 20)
        theirs.sendall(b"STORED\r\n" + answer({b"one": b"1"}))
        return heard

    assert await asyncio.to_thread(listen) == expected
    assert await stored == {}
    assert await read == {b"one": b"1"}
    assert await ended(link, theirs)


async def test_a_server_that_never_ends_to_talk_does_not_hold_the_loop() -> None:
    """What others have to do is done meanwhile, and the deadline holds."""
    link, theirs = linked(timeout_s=0.05)

    def talk() -> None:
        with contextlib.suppress(OSError):
            while True:
                theirs.sendall(b"VALUE one 0 1\r\n1\r\n" * 1_000)

    talking = asyncio.create_task(asyncio.to_thread(talk))
    with pytest.raises(CacheUnavailableError):
        await link.values((b"one",))
    await talking
    theirs.close()


async def test_an_answer_that_waits_to_be_read_is_not_late() -> None:
    """It was this loop that was busy: the answer is taken before the deadline is judged."""
    link, theirs = linked(timeout_s=0.01)
    reply = link.values((b"one",))
    loop = asyncio.get_running_loop()
    due = loop.time() + 0.02
    while loop.time() < due:
        pass
    theirs.sendall(answer({b"one": b"1"}))
    assert await reply == {b"one": b"1"}
    assert await ended(link, theirs)
