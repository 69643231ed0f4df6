"""A client's mailbox."""

from hypothesis import given
from hypothesis import strategies as st

from virtuoso.web.websocket import REPLIES_WAITING, Mailbox
from virtuoso.wire.client import Pong

numbers = st.frozensets(st.integers(0, 20))


@given(wanted=numbers, changes=st.lists(numbers, max_size=50))
def test_it_holds_what_changed_and_was_asked_for_and_never_more_than_that(
    wanted: frozenset[int], changes: list[frozenset[int]]
) -> None:
    """However many changes come, the bound is the subscription."""
    mailbox = Mailbox()
    mailbox.wanted = wanted
    for change in changes:
        mailbox.put_rows(change, notices=False)
    assert mailbox.rows == wanted & frozenset().union(*changes)
    assert mailbox.full == bool(mailbox.rows) == mailbox.news.is_set()


def test_replies_are_bounded() -> None:
    """Who asks without reading loses the oldest answers."""
    mailbox = Mailbox()
    for number in range(10 * REPLIES_WAITING):
        mailbox.put_reply(Pong(number))
    assert len(mailbox.replies) == REPLIES_WAITING
    assert f'"id":{10 * REPLIES_WAITING - 1}' in mailbox.replies[-1]


def test_a_row_nobody_asked_for_wakes_nobody() -> None:
    """A notice does."""
    mailbox = Mailbox()
    mailbox.put_rows(frozenset({1}), notices=False)
    assert not mailbox.news.is_set()
    mailbox.put_rows(frozenset({1}), notices=True)
    assert mailbox.news.is_set()
    assert mailbox.rows == set()
