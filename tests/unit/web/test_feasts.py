"""The calendar behind the About panel: the movable feasts fall where almanacs print them."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.web.feasts import easter, feast_of, first_of_advent, prayer_of

days = st.dates(date(1900, 1, 1), date(2199, 12, 31))


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [
        (1954, 4, 18),
        (1981, 4, 19),
        (2000, 4, 23),
        (2008, 3, 23),
        (2011, 4, 24),
        (2024, 3, 31),
        (2025, 4, 20),
        (2026, 4, 5),
        (2038, 4, 25),
        (2049, 4, 18),
        (2076, 4, 19),
    ],
)
def test_easter_falls_where_almanacs_print_it(year: int, month: int, day: int) -> None:
    """Early, late and the exceptional years of the computus. contract: L6."""
    assert easter(year) == date(year, month, day)


@given(st.integers(1583, 4000))
def test_easter_is_a_sunday_between_22_march_and_25_april(year: int) -> None:
    """The two bounds of the Gregorian rule."""
    found = easter(year)
    assert found.isoweekday() == 7
    assert date(year, 3, 22) <= found <= date(year, 4, 25)


@given(st.integers(1900, 2199))
def test_advent_begins_on_the_fourth_sunday_before_christmas(year: int) -> None:
    """Between 27 November and 3 December."""
    found = first_of_advent(year)
    assert found.isoweekday() == 7
    assert date(year, 11, 27) <= found <= date(year, 12, 3)


@pytest.mark.parametrize(
    ("day", "feast"),
    [
        (date(2026, 11, 22), "Christ the King"),
        (date(2026, 4, 3), "Good Friday"),
        (date(2026, 5, 14), "The Ascension of the Lord"),
        (date(2026, 6, 4), "Corpus Christi"),
        (date(2026, 12, 25), "The Nativity of the Lord"),
        (date(2024, 3, 25), "The Annunciation of the Lord"),
        (date(2026, 11, 23), None),
    ],
)
def test_a_day_has_its_feast_or_none(day: date, feast: str | None) -> None:
    """Movable ones first; an ordinary day says nothing."""
    assert feast_of(day) == feast


@given(days)
def test_every_day_has_a_prayer_and_the_date_alone_decides(day: date) -> None:
    """The same date gives the same words, whenever it is asked."""
    assert prayer_of(day) == prayer_of(day + timedelta(0)) != ""
