"""From gentle to rough, and never to the neighbours' harm for long."""

from virtuoso.adapters.feed.ladder import Ladder, Step


def test_renew_then_recycle_then_ask_for_the_address_then_only_renew() -> None:
    """As long as the steps follow each other within a minute."""
    ladder = Ladder()
    steps = [ladder.climb("a", at) for at in (0, 60_000, 120_000)]
    assert steps == [Step.RENEW, Step.RECYCLE, Step.RESOLVE]
    assert not ladder.is_exhausted("a")
    assert [ladder.climb("a", at) for at in (130_000, 700_000)] == [Step.RENEW] * 2
    assert ladder.is_exhausted("a")
    assert [ladder.climb("a", at) for at in (1_300_001, 1_300_002)] == [Step.RENEW, Step.RECYCLE]


def test_after_a_good_minute_the_first_step_is_gentle_again() -> None:
    """However often that happens."""
    ladder = Ladder()
    assert {ladder.climb("a", at) for at in range(0, 1_000_000, 60_001)} == {Step.RENEW}


def test_two_topics_do_not_recycle_their_connection_within_a_minute() -> None:
    """The second one is renewed once more instead."""
    ladder = Ladder()
    first = [ladder.climb(topic, 0) for topic in "ab"]
    second = [ladder.climb(topic, 5_000) for topic in "ab"]
    third = [ladder.climb(topic, 10_000) for topic in "ab"]
    assert (first, second) == ([Step.RENEW] * 2, [Step.RECYCLE, Step.RENEW])
    assert third == [Step.RESOLVE, Step.RENEW]


def test_a_topic_that_is_given_up_is_forgotten() -> None:
    """It begins anew if it comes back."""
    ladder = Ladder()
    ladder.climb("a", 0)
    ladder.forget(["a", "b"])
    assert ladder.climb("a", 1) is Step.RENEW
