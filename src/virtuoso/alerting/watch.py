"""Rules through time: when one fires, when it clears, and how long it is silent afterwards."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from virtuoso.alerting.conditions import Memory, Test, comparisons, compiled, numbers_of
from virtuoso.alerting.numbers import NUMBERS, Reading, Readings, Scope
from virtuoso.alerting.rules import Rule
from virtuoso.domain.time import SECOND, Millis
from virtuoso.domain.words import Word

NOBODY: Final = ""
"""The subject of a rule over market and system."""

NEVER: Final = Millis(0)


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule whose condition has held long enough."""

    rule: Rule
    subject: str
    """The symbol, or NOBODY."""
    since: Millis
    """When the condition became true."""
    at: Millis
    numbers: Mapping[str, Reading]
    """What it saw; of a group counted together, nothing."""
    members: tuple[str, ...] = ()
    """Of a group counted together: the symbols that were true, most traded first."""
    of: int = 0
    """Of a group counted together: how many there are."""


@dataclass(frozen=True, slots=True)
class Clearing:
    """A condition that had fired and does not hold any more."""

    rule: Rule
    subject: str
    at: Millis


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a rule and a subject from before a restart."""

    rule: str
    subject: str
    fired_at: Millis
    holds: bool
    """Its alert was not cleared: it does not fire again while its condition goes on."""


class Phase(Word):
    """Where a rule is with one subject."""

    IDLE = "idle"
    WAITING = "waiting"
    """True, but not yet for long enough."""
    FIRED = "fired"


@dataclass(slots=True)
class _Course:
    """One rule and one subject through time."""

    phase: Phase = Phase.IDLE
    since: Millis = NEVER
    silent_until: Millis = NEVER
    memory: Memory = field(default_factory=Memory)


class Watch:
    """Looks at every rule once a second. Pure: the same readings give the same firings.

    A number that is not known makes a condition unknown: it does not fire, a wait begins anew, and
    what has fired stays as it is.
    """

    def __init__(self, rules: Sequence[Rule], standing: Iterable[Standing] = ()) -> None:
        self.rules = tuple(rule for rule in rules if rule.enabled)
        self._courses: list[dict[str, _Course]] = [{} for _ in self.rules]
        # whom a rule looks at is found out once: thousands of rules are looked at each second
        self._looks = tuple(
            (rule, compiled(rule.when), courses, rule.symbols, rule.is_of_symbols)
            for rule, courses in zip(self.rules, self._courses, strict=True)
        )
        place = {rule.id: number for number, rule in enumerate(self.rules)}
        for each in standing:
            if (number := place.get(each.rule)) is not None:
                rule = self.rules[number]
                self._courses[number][each.subject] = _Course(
                    phase=Phase.FIRED if each.holds else Phase.IDLE,
                    since=each.fired_at,
                    silent_until=Millis(each.fired_at + rule.cooldown_seconds * SECOND),
                    memory=Memory(held=each.holds),
                )

    def look(
        self, at: Millis, shared: Readings, symbols: Mapping[str, Readings]
    ) -> list[Firing | Clearing]:
        """Hold every rule against the numbers of one instant, in the order of the rules."""
        found: list[Firing | Clearing] = []
        alone: Mapping[str, Readings] = {NOBODY: {}}
        for rule, test, courses, named, is_of_symbols in self._looks:
            numbers = symbols if is_of_symbols else alone
            subjects: Iterable[str] = named or numbers
            group = rule.group
            if group is not None:
                subjects = members = named or tuple(islice(symbols, group.top))
                if group.at_least is not None:
                    found += _counted(rule, test, courses, at, members, shared, symbols)
                    continue
                if symbols:
                    found += _left(rule, courses, at, members)
            for subject in subjects:
                own = numbers.get(subject)
                if own is None:
                    continue
                course = courses.get(subject)
                if course is None:
                    course = courses[subject] = _Course()
                truth = test(own, shared, course.memory)
                if truth is False and course.phase is Phase.IDLE:
                    continue
                if truth is True and course.phase is Phase.FIRED:
                    continue
                step = _step(rule, course, at, truth=truth)
                if step is Phase.FIRED:
                    seen = numbers_of(rule.when, own, shared)
                    found.append(Firing(rule, subject, course.since, at, seen))
                elif step is Phase.IDLE:
                    found.append(Clearing(rule, subject, at))
        return found

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop what is known of symbols that are not watched any more."""
        for symbol in symbols:
            for courses in self._courses:
                courses.pop(symbol, None)

    def standing(self) -> Sequence[Standing]:
        """What a watch over other rules, or after a restart, must know to go on."""
        return [
            Standing(
                rule.id,
                subject,
                Millis(course.silent_until - rule.cooldown_seconds * SECOND),
                holds=course.phase is Phase.FIRED,
            )
            for rule, courses in zip(self.rules, self._courses, strict=True)
            for subject, course in courses.items()
            if course.phase is Phase.FIRED or course.silent_until
        ]


def _left(
    rule: Rule, courses: dict[str, _Course], at: Millis, members: Collection[str]
) -> Sequence[Clearing]:
    """Begin anew with symbols that left a group, and clear what had fired of them."""
    found = []
    for subject, course in courses.items():
        if course.phase is not Phase.IDLE and subject not in members:
            if course.phase is Phase.FIRED:
                found.append(Clearing(rule, subject, at))
            course.phase, course.memory.held = Phase.IDLE, False
    return found


def _counted(
    rule: Rule,
    test: Test,
    courses: dict[str, _Course],
    at: Millis,
    members: Sequence[str],
    shared: Readings,
    symbols: Mapping[str, Readings],
) -> list[Firing | Clearing]:
    """Look at a group as one subject: true when enough are, unknown when enough still could be."""
    needed = rule.group.at_least if rule.group is not None else None
    if needed is None:
        return []
    held: list[str] = []
    unknown = 0
    for symbol in members:
        own = symbols.get(symbol)
        if own is None:
            # it is not on the board, and so not one that could still become true
            continue
        course = courses.setdefault(symbol, _Course())
        truth = test(own, shared, course.memory)
        if truth is None:
            unknown += 1
            continue
        course.memory.held = truth
        if truth:
            held.append(symbol)
    enough: bool | None = len(held) >= needed
    if not enough and len(held) + unknown >= needed:
        enough = None
    course = courses.setdefault(NOBODY, _Course())
    if course.phase is (Phase.FIRED if enough else Phase.IDLE):
        return []
    step = _step(rule, course, at, truth=enough)
    if step is Phase.FIRED:
        seen = _shared_of(rule, shared)
        return [Firing(rule, NOBODY, course.since, at, seen, tuple(held), len(members))]
    return [Clearing(rule, NOBODY, at)] if step is Phase.IDLE else []


def _shared_of(rule: Rule, shared: Readings) -> Mapping[str, Reading]:
    """Give the numbers of market and system that a rule over symbols looks at too."""
    return {
        each.number: shared.get(each.number)
        for each in comparisons(rule.when)
        if NUMBERS[each.number].scope is not Scope.SYMBOL
    }


def _step(rule: Rule, course: _Course, at: Millis, *, truth: bool | None) -> Phase | None:
    """Take a course one look further; FIRED when it fires now, IDLE when it clears now."""
    if truth is None:
        if course.phase is Phase.WAITING:
            course.phase = Phase.IDLE
            course.memory.held = False
        return None
    if not truth:
        fired = course.phase is Phase.FIRED
        course.phase = Phase.IDLE
        course.memory.held = False
        return Phase.IDLE if fired else None
    course.memory.held = True
    if course.phase is Phase.IDLE:
        course.phase = Phase.WAITING
        course.since = at
    if at - course.since < rule.for_seconds * SECOND or at < course.silent_until:
        return None
    course.phase = Phase.FIRED
    course.silent_until = Millis(at + rule.cooldown_seconds * SECOND)
    return Phase.FIRED
