"""Conditions over numbers: true, false, or unknown while a number they need is not known."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from virtuoso.alerting.numbers import NUMBERS, Reading, Readings, Scope
from virtuoso.domain.errors import RuleError
from virtuoso.domain.words import Word

DEEPEST: Final = 4
MOST_PARTS: Final = 16


class Operator(Word):
    """How a number is held against a limit."""

    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"
    IS = "is"
    IS_NOT = "is_not"
    CHANGES = "changes"
    """It is known and differs from when it was known last; true for one look."""


RISING: Final = (Operator.ABOVE, Operator.AT_LEAST)
FALLING: Final = (Operator.BELOW, Operator.AT_MOST)


@dataclass(slots=True)
class Memory:
    """What a condition needs to know of the looks before, one for each rule and subject."""

    held: bool = False
    """The condition was true at the look before, so that `clear` counts instead of `limit`."""
    known: dict[str, Reading] = field(default_factory=dict)
    """The last known value of each number that is watched for changes."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number against one limit.

    With `clear` there is hysteresis: what became true at `limit` stays true until `clear` is
    passed, so that a number on the limit does not fire again and again.
    """

    number: str
    operator: Operator
    limit: float | str | None = None
    clear: float | None = None

    def __post_init__(self) -> None:
        """Refuse what could never be true, or never be false again."""
        known = NUMBERS.get(self.number)
        if known is None:
            message = f"expected the name of a number, found {self.number!r}"
            raise RuleError(message, "number")
        if self.operator is Operator.CHANGES:
            if self.limit is not None or self.clear is not None:
                message = f"{self.number}: `changes` takes no limit"
                raise RuleError(message, "limit")
            return
        if known.is_word:
            if self.operator not in (Operator.IS, Operator.IS_NOT):
                message = f"{self.number} is a word: expected is, is_not or changes"
                raise RuleError(message, "is")
            if not isinstance(self.limit, str) or self.clear is not None:
                message = f"{self.number} is a word: expected a word as limit, and no clear"
                raise RuleError(message, "limit")
            if known.words and self.limit not in known.words:
                words = ", ".join(known.words)
                message = f"{self.number}: expected one of {words}, found {self.limit!r}"
                raise RuleError(message, "limit")
            return
        if self.operator in (Operator.IS, Operator.IS_NOT):
            message = f"{self.number} is a number: expected above, at_least, below or at_most"
            raise RuleError(message, "is")
        if not isinstance(self.limit, float):
            message = f"{self.number}: expected a number as limit, found {self.limit!r}"
            raise RuleError(message, "limit")
        if self.clear is not None and (
            self.clear > self.limit if self.operator in RISING else self.clear < self.limit
        ):
            side = "not above" if self.operator in RISING else "not below"
            message = f"{self.number}: expected a clear {side} {self.limit}, found {self.clear}"
            raise RuleError(message, "clear")


@dataclass(frozen=True, slots=True)
class AllOf:
    """True when every part is; false when one is."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when one part is; false when every one is."""

    parts: tuple["Condition", ...]


Condition: TypeAlias = Comparison | AllOf | AnyOf

Test: TypeAlias = Callable[[Readings, Readings, Memory], bool | None]
"""(the symbol's numbers, those of market and system, memory) -> true, false or unknown."""


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Every comparison in a condition, from left to right."""
    if isinstance(condition, Comparison):
        yield condition
        return
    for part in condition.parts:
        yield from comparisons(part)


def check(condition: Condition, depth: int = 1) -> None:
    """Refuse empty groups, and what is too deep or too large to be read. Raises RuleError."""
    if isinstance(condition, Comparison):
        return
    if not condition.parts:
        message = "expected at least one condition in a group"
        raise RuleError(message, "when")
    if depth > DEEPEST:
        message = f"expected groups at most {DEEPEST} deep"
        raise RuleError(message, "when")
    for part in condition.parts:
        check(part, depth + 1)
    if depth == 1 and (count := sum(1 for _ in comparisons(condition))) > MOST_PARTS:
        message = f"expected at most {MOST_PARTS} comparisons, found {count}"
        raise RuleError(message, "when")


def compiled(condition: Condition) -> Test:
    """Turn a condition into a function: thousands of rules are looked at each second."""
    if isinstance(condition, Comparison):
        return _comparison(condition)
    tests = tuple(compiled(part) for part in condition.parts)
    decisive = isinstance(condition, AnyOf)

    def group(own: Readings, shared: Readings, memory: Memory) -> bool | None:
        answer: bool | None = not decisive
        for test in tests:
            # every part looks, for one may wait for a change
            truth = test(own, shared, memory)
            if truth is decisive:
                answer = decisive
            elif truth is None and answer is not decisive:
                answer = None
        return answer

    return group


def _comparison(comparison: Comparison) -> Test:
    name = comparison.number
    is_own = NUMBERS[name].scope is Scope.SYMBOL
    operator = comparison.operator
    if operator is Operator.CHANGES:

        def changed(own: Readings, shared: Readings, memory: Memory) -> bool | None:
            value = (own if is_own else shared).get(name)
            if value is None:
                return None
            before = memory.known.get(name)
            memory.known[name] = value
            return before is not None and before != value

        return changed

    limit = comparison.limit
    if isinstance(limit, str):
        wanted = operator is Operator.IS

        def word(own: Readings, shared: Readings, _memory: Memory) -> bool | None:
            value = (own if is_own else shared).get(name)
            return None if value is None else (value == limit) is wanted

        return word

    assert limit is not None  # noqa: S101 - Comparison has checked it
    sign = 1.0 if operator in RISING else -1.0
    at = sign * limit
    held_at = at if comparison.clear is None else sign * comparison.clear
    touches = operator in (Operator.AT_LEAST, Operator.AT_MOST)

    def number(own: Readings, shared: Readings, memory: Memory) -> bool | None:
        value = (own if is_own else shared).get(name)
        if value is None or isinstance(value, str):
            return None
        distance = sign * value - (held_at if memory.held else at)
        return distance > 0.0 or (touches and distance == 0.0)

    return number


def numbers_of(condition: Condition, own: Readings, shared: Readings) -> Mapping[str, Reading]:
    """Give what the numbers of a condition were: an alert says what it saw."""
    found: dict[str, Reading] = {}
    for comparison in comparisons(condition):
        is_own = NUMBERS[comparison.number].scope is Scope.SYMBOL
        found[comparison.number] = (own if is_own else shared).get(comparison.number)
    return found
