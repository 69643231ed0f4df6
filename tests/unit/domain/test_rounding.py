"""Parts that are rounded so that they add up."""

from virtuoso.domain.rounding import rounded_parts


def test_the_largest_remainders_get_the_hundredths_that_are_left() -> None:
    """Ties go to the first."""
    assert rounded_parts([0.334, 0.333, 0.333], 1.0) == [0.34, 0.33, 0.33]
    assert rounded_parts([-0.335, 0.335], 0.0) == [-0.33, 0.33]
    assert rounded_parts([], 0.0) == []
