"""The base of every fixed set of words."""

from enum import StrEnum


class Word(StrEnum):
    """One of a fixed set of words, which may be a key in a table of what happens all the time.

    An Enum computes its hash in Python at each look-up; as text it is computed once.
    """

    __hash__ = str.__hash__
