"""A secret that cannot be shown by accident."""

from hmac import compare_digest
from typing import Final

SHOWN: Final = 4
LEAST_FOR_A_TAIL: Final = 12
"""Of a shorter secret nothing is shown: its last characters would be too much of it."""


class SecretText:
    """Text whose `repr`, `str` and format show at most its last four characters."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for who signs, compares or sends it, and for nobody else."""
        return self._text

    def masked(self) -> str:
        """The last four characters behind stars; only stars when it is short; empty when empty."""
        if not self._text:
            return ""
        return f"****{self._text[-SHOWN:]}" if len(self._text) >= LEAST_FOR_A_TAIL else "****"

    def matches(self, given: str) -> bool:
        """Whether this is the same text, in a time that tells nothing; nothing matches an empty."""
        return bool(self._text) and compare_digest(self._text.encode(), given.encode())

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretText):
            return NotImplemented
        return compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"SecretText({self.masked()!r})"

    __str__ = masked

    def __format__(self, spec: str) -> str:
        return format(self.masked(), spec)


NO_SECRET: Final = SecretText()
"""Where none is set; it matches nothing."""
