"""Feast days and prayers of a date, for the About panel; movable feasts are computed.

The date is always an argument: nothing here asks what day it is.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

DEDICATION: Final = "Ad Majorem Dei Gloriam"

FIXED: Final[Mapping[tuple[int, int], str]] = {
    (1, 1): "Mary, the Holy Mother of God",
    (1, 6): "The Epiphany of the Lord",
    (2, 2): "The Presentation of the Lord",
    (3, 19): "Saint Joseph",
    (3, 25): "The Annunciation of the Lord",
    (6, 24): "The Nativity of Saint John the Baptist",
    (6, 29): "Saints Peter and Paul",
    (8, 6): "The Transfiguration of the Lord",
    (8, 15): "The Assumption of Mary",
    (9, 14): "The Exaltation of the Holy Cross",
    (9, 29): "Saints Michael, Gabriel and Raphael",
    (10, 4): "Saint Francis of Assisi",
    (11, 1): "All Saints",
    (11, 2): "All Souls",
    (12, 8): "The Immaculate Conception",
    (12, 25): "The Nativity of the Lord",
    (12, 26): "Saint Stephen",
    (12, 27): "Saint John the Evangelist",
}
"""By month and day."""

AFTER_EASTER: Final[Mapping[int, str]] = {
    -46: "Ash Wednesday",
    -7: "Palm Sunday",
    -3: "Holy Thursday",
    -2: "Good Friday",
    -1: "Holy Saturday",
    0: "Easter Sunday",
    1: "Easter Monday",
    7: "Divine Mercy Sunday",
    39: "The Ascension of the Lord",
    49: "Pentecost",
    56: "The Most Holy Trinity",
    60: "Corpus Christi",
    68: "The Most Sacred Heart of Jesus",
}
"""By days from Easter Sunday."""

PRAYERS: Final = (
    "Gloria Patri, et Filio, et Spiritui Sancto.",
    "Sanctus, Sanctus, Sanctus Dominus Deus Sabaoth.",
    "Veni, Sancte Spiritus.",
    "Benedicamus Domino. Deo gratias.",
    "Sancte Ioseph, ora pro nobis.",
    "Adoramus te, Christe, et benedicimus tibi.",
    "Ave Maria, gratia plena, Dominus tecum.",
)
"""Of an ordinary day, Monday first."""


def easter(year: int) -> date:
    """Give Easter Sunday of a Gregorian year.

    The first Sunday after the ecclesiastical full moon on or after 21 March. Formula: the
    anonymous Gregorian computus, as in Meeus, Astronomical Algorithms, chapter 8.
    """
    golden = year % 19
    century, rest = divmod(year, 100)
    leap_centuries, century_rest = divmod(century, 4)
    drift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap_centuries - drift + 15) % 30
    leaps, leap_rest = divmod(rest, 4)
    weekday = (32 + 2 * century_rest + 2 * leaps - epact - leap_rest) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def first_of_advent(year: int) -> date:
    """Give the fourth Sunday before Christmas."""
    christmas = date(year, 12, 25)
    return christmas - timedelta(days=christmas.isoweekday() + 21)


def feast_of(day: date) -> str | None:
    """Give the feast of a day: a movable one before a fixed one; None on a day without."""
    since_easter = (day - easter(day.year)).days
    if since_easter in AFTER_EASTER:
        return AFTER_EASTER[since_easter]
    advent = first_of_advent(day.year)
    if day == advent - timedelta(days=7):
        return "Christ the King"
    if day == advent:
        return "The First Sunday of Advent"
    return FIXED.get((day.month, day.day))


def prayer_of(day: date) -> str:
    """Give the prayer of a day: of its season, else of its weekday."""
    since_easter = (day - easter(day.year)).days
    if 0 <= since_easter <= 49:
        return "Regina caeli, laetare, alleluia."
    if -46 <= since_easter < 0:
        return "Miserere mei, Deus, secundum magnam misericordiam tuam."
    if day >= first_of_advent(day.year) and day < date(day.year, 12, 25):
        return "Rorate caeli desuper, et nubes pluant iustum."
    if day >= date(day.year, 12, 25):
        return "Gloria in excelsis Deo."
    return PRAYERS[day.weekday()]
