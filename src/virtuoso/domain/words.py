"""The base of every fixed set of words."""

from enum import StrEnum


class Word(StrEnum):
    """One of a fixed set of words, which may be a key in a table of what happens all the time.

    An Enum computes its hash in Python at each look-up; as text it is computed once. It also finds
    a member by a function of Python each time one is named; here each is an attribute of its class.
    """

    __hash__ = str.__hash__

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, member in cls.__members__.items():
            type.__setattr__(cls, name, member)
