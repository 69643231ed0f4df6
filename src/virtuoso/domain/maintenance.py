"""What a venue announces of times at which it cannot be used."""

from dataclasses import dataclass

from virtuoso.domain.time import Millis

LONGEST_TITLE = 80


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A pause of a venue that is not over, as the venue tells it, on its clock."""

    title: str
    """The venue's words, `LONGEST_TITLE` characters at most; hostile text, as every name is."""
    begin: Millis
    end: Millis | None
    """When it is expected to be over."""
    ongoing: bool
