"""Numbers as the venue writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.simulator.numbers import padded, parsed, rescaled, trimmed


def test_padded_text_has_all_its_decimals() -> None:
    """The stream writes 69027.60, never 69027.6."""
    assert padded(6_902_760, 2) == "69027.60"
    assert padded(7, 5) == "0.00007"
    assert padded(-3_737, 8) == "-0.00003737"
    assert padded(42, 0) == "42"


def test_trimmed_text_has_no_closing_zeros() -> None:
    """REST candles and books write 69033, not 69033.00."""
    assert trimmed(6_903_300, 2) == "69033"
    assert trimmed(150, 3) == "0.15"
    assert trimmed(1_000, 0) == "1000"
    assert trimmed(0, 4) == "0"


@given(st.integers(0, 10**15), st.integers(0, 8))
def test_text_reads_back_as_the_same_number(units: int, scale: int) -> None:
    """No digit is lost in writing."""
    assert parsed(padded(units, scale)) == (units, scale)
    assert float(trimmed(units, scale)) == float(padded(units, scale))


def test_rescaling_rounds_half_up() -> None:
    """Volumes are shown with 4 decimals, whatever the quantity step."""
    assert rescaled(12_345, 5, 4) == 1_235
    assert rescaled(12_344, 5, 4) == 1_234
    assert rescaled(12, 1, 4) == 12_000


@pytest.mark.parametrize("text", ["-1.0", "1e5", "NaN"])
def test_text_that_is_no_step_is_refused(text: str) -> None:
    """A tick or step is a positive decimal number."""
    with pytest.raises(ValueError, match="expected a decimal number"):
        parsed(text)
