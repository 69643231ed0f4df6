"""A score is told in sentences that hold nothing but its numbers."""

import pytest

from support.stream_events import BTC, START, absent, views
from virtuoso.domain.scores import ComponentName, ConfluenceScore, Direction, Reason
from virtuoso.scoring.account import account
from virtuoso.scoring.confluence import composite
from virtuoso.scoring.correlation import default_matrix
from virtuoso.scoring.definition import RHO0, Definition
from virtuoso.scoring.explanation import Followed, explain, explain_account, explain_outlook
from virtuoso.scoring.sensitivity import Formula


def score_of(scores: list[float | None]) -> ConfluenceScore:
    """Join six component scores."""
    return composite(
        instrument=BTC,
        at=START,
        components=views(scores),
        rho=default_matrix(RHO0),
        definition=Definition(),
    )


def test_the_worked_score_is_told_with_its_leaders_and_its_opponent() -> None:
    """Two that lead, the strongest against."""
    sentences = explain(score_of([74.0, 61.0, 69.0, 38.0, 44.0, 57.0]), Direction.BULLISH)
    assert sentences == (
        (
            "Bullish 62: upward pressure, led by technical (+7.0) and price structure (+5.4); "
            "against it orderflow (-3.3)."
        ),
    )


def test_a_low_score_is_led_by_what_presses_down() -> None:
    """The same sentence, mirrored."""
    sentences = explain(score_of([26.0, 39.0, 31.0, 62.0, 56.0, 43.0]))
    assert sentences == (
        (
            "Score 38: downward pressure, led by technical (-7.0) and price structure (-5.4); "
            "against it orderflow (+3.3)."
        ),
    )


def test_clauses_without_content_are_left_out() -> None:
    """Nobody leads when nothing presses; nobody opposes when all agree."""
    assert explain(score_of([50.0] * 6)) == ("Score 50: balanced pressure.",)
    (sentence,) = explain(score_of([70.0] * 6))
    assert "against" not in sentence


def test_absent_components_are_named_with_their_reason() -> None:
    """What was not seen is said."""
    sentences = explain(score_of([74.0, 61.0, 69.0, None, None, 57.0]))
    assert sentences[1:] == ("orderbook: no value (gap).", "orderflow: no value (gap).")


def test_a_null_score_says_how_little_was_seen() -> None:
    """No number, no pressure, only why."""
    score = score_of([70.0, *[None] * 5])
    assert explain(score)[0] == "No score: 17 % was seen (gap)."
    assert absent(ComponentName.VOLUME, Reason.GAP) in score.components.values()


def words_of(scores: list[float | None]) -> tuple[str, ...]:
    """The account of six component scores, in words."""
    return explain_account(account(score_of(scores), Formula(Definition(), default_matrix(RHO0))))


def test_what_presses_each_way_is_listed_with_its_points() -> None:
    """Both sums, and the members behind them, strongest first."""
    up, down, *_ = words_of([74.0, 61.0, 69.0, 38.0, 44.0, 57.0])
    assert up == (
        "Up +17.2: technical m (+7.0), price structure m (+5.4), volume m (+3.0), "
        "sentiment m (+1.9)."
    )
    assert down == "Down -4.9: orderflow m (-3.3), orderbook m (-1.6)."


def test_what_is_missing_is_told_with_its_cost() -> None:
    """Weight and confidence that are lost, and how much must be there at least."""
    seen = next(each for each in words_of([74.0, 61.0, 69.0, None, None, 57.0]) if "Seen" in each)
    assert seen == (
        "Seen 66.7 % of the weight (50 % needed); lost: "
        "orderbook (gap) 16.7 % and 7.2 points of confidence; "
        "orderflow (gap) 16.7 % and 7.2 points of confidence."
    )


def test_the_input_that_matters_most_is_named_with_the_score_without_it() -> None:
    """In the worked table technical leads; without it the score is that of the other five."""
    *_, neutral, absent = words_of([74.0, 61.0, 69.0, 38.0, 44.0, 57.0])
    assert neutral == (
        "Most depends on technical m: were it 50, the score would be 55.4 instead of 62.3."
    )
    others = score_of([None, 61.0, 69.0, 38.0, 44.0, 57.0]).score or 0.0
    assert absent == f"Without technical m it would be {others:.1f} ({others - 62.299072:+.1f})."


def test_an_input_on_which_the_score_hangs_is_named_as_such() -> None:
    """At the floor of coverage one more loss leaves no score at all."""
    *_, absent = words_of([74.0, 61.0, 69.0, None, None, None])
    assert absent == "Without technical m there would be no score: 33.3 % would be seen."


def test_a_null_score_is_accounted_for_by_what_is_missing_alone() -> None:
    """Nothing presses, nothing can be supposed; the cost in weight is still known."""
    (seen,) = words_of([70.0, *[None] * 5])
    assert seen.startswith("Seen 16.7 % of the weight (50 % needed); lost: orderbook (gap) 16.7 %;")
    assert "confidence" not in seen


def followed(
    *, low: float, high: float, reason: Reason | None = None, above_50: bool = True
) -> Followed:
    """The record of technical scores in 80-100 at one hour."""
    return Followed(
        component=ComponentName.TECHNICAL,
        band="80-100",
        horizon="1h",
        n=5_774,
        n_eff=1_154.8,
        up_rate=0.479,
        low=low,
        high=high,
        base_rate=0.507,
        mean_bp=1.6,
        cost_bp=10.0,
        above_50=above_50,
        reason=reason,
        since="2026-01-01",
    )


def test_a_contrary_record_says_that_it_contradicts_the_score() -> None:
    """The whole sentence, with interval, mean and cost."""
    assert explain_outlook(followed(low=0.466, high=0.491)) == (
        "After technical 80-100 (n_eff 1155), the next 1h was up 47.9 % [46.6, 49.1], mean "
        "+1.6 bp before about 10 bp cost. Contrary, small. The record contradicts the score."
    )


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        (followed(low=0.46, high=0.52), "no measured edge"),
        (followed(low=0.46, high=0.49, above_50=False), "same way, small"),
        (followed(low=0.46, high=0.49, reason=Reason.TOO_FEW), "collecting, n = 5774"),
        (followed(low=0.46, high=0.49, reason=Reason.UNPROVEN), "unproven since 2026-01-01"),
    ],
)
def test_the_verdict_follows_from_the_interval(record: Followed, verdict: str) -> None:
    """The base rate inside the interval is no edge."""
    assert record.verdict == verdict
    assert verdict.lower() in explain_outlook(record).lower()
