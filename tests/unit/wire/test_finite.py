"""No number leaves that is none."""

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.wire import finite
from virtuoso.wire.messages import to_json


class Numbers(msgspec.Struct):
    """Anything with numbers."""

    status: str
    values: list[float]
    named: dict[str, float]
    reasons: tuple[str, ...] = ()


BAD = st.sampled_from([math.nan, -math.nan, math.inf, -math.inf])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)), st.text())
def test_finite_numbers_are_encoded_as_they_are(values: list[float], text: str) -> None:
    """Whatever text stands beside them."""
    message = Numbers("success", values, {text: 1.0}, (text,))
    assert to_json(message) == msgspec.json.encode(message)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5), BAD)
def test_a_number_that_is_none_becomes_null_and_the_reasons_say_which(
    values: list[float], bad: float
) -> None:
    """In production: the rest of the document still goes out, degraded."""
    with pytest.MonkeyPatch.context() as patch:
        seen: list[list[str]] = []
        patch.setattr(finite, "report", lambda _, found: seen.append(found))
        said = json.loads(to_json(Numbers("success", [*values, bad], {"x": bad}, ("old",))))
    assert said["values"] == [*values, None]
    assert said["named"] == {"x": None}
    assert said["status"] == "degraded"
    assert said["reasons"][0] == "old"
    assert f"values[{len(values)}]" in said["reasons"][1]
    assert seen == [[f"values[{len(values)}]", "named.x"]]


def test_in_tests_it_fails_loudly() -> None:
    """A wrong formula is found here, and not by a reader."""
    with pytest.raises(AssertionError, match=r"named\.x"):
        to_json(Numbers("success", [], {"x": math.nan}))
