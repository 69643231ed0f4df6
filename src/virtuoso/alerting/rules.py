"""A rule: what must hold, for whom, for how long, how often at most, and who is told."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from virtuoso.alerting.conditions import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Operator,
    check,
    comparisons,
)
from virtuoso.alerting.numbers import NUMBERS, Scope
from virtuoso.domain.alerts import AlertLevel
from virtuoso.domain.errors import RuleError
from virtuoso.domain.time import DAY, MINUTE, Millis

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
SYMBOL: Final = re.compile(r"[A-Z0-9]{2,30}([:/_-][A-Z0-9]{1,15}){0,2}")
LONGEST_TITLE: Final = 120
LONGEST_SECONDS: Final = 7 * 86_400
MOST_SYMBOLS: Final = 500
DAY_MINUTES: Final = DAY // MINUTE


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A part of each day, UTC, in which nothing below `critical` is sent; rows are kept."""

    begin: int
    """Minute of the day, 0..1439."""
    end: int
    """Minute of the day; before `begin`: of the next one."""

    def ends_at(self, now: Millis) -> Millis | None:
        """When they are over, or None when they are not now."""
        minute = now % DAY // MINUTE
        if self.begin <= self.end:
            inside = self.begin <= minute < self.end
        else:
            inside = minute >= self.begin or minute < self.end
        if not inside:
            return None
        midnight = now - now % DAY
        end = midnight + self.end * MINUTE
        return Millis(end if end > now else end + DAY)


@dataclass(frozen=True, slots=True)
class Group:
    """Whom a rule looks at, and whether each for itself or all together."""

    top: int | None = None
    """The so many most traded, which are the first on the board; None: all, or those named."""
    at_least: int | None = None
    """One alert when so many of them are true at once; None: one alert for each."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense. Raises RuleError."""
        for name, count in (("top", self.top), ("at_least", self.at_least)):
            if count is not None and not 1 <= count <= MOST_SYMBOLS:
                message = f"expected {name} of 1 to {MOST_SYMBOLS}, found {count}"
                raise RuleError(message, "group")
        if self.top is None and self.at_least is None:
            message = "expected top, at_least or both in a group"
            raise RuleError(message, "group")
        if self.top is not None and self.at_least is not None and self.at_least > self.top:
            message = f"expected at least {self.at_least} of more than {self.top} symbols"
            raise RuleError(message, "group")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. It fires once when its condition has held long enough, and clears when it ends."""

    id: str
    title: str
    kind: str
    """Such as `confluence`, `whale_trade`, `liquidation`, `large_order`, `regime`, `system`."""
    level: AlertLevel
    when: Condition
    symbols: tuple[str, ...] = ()
    """Empty: every symbol on the board. Without meaning for rules over market or system."""
    for_seconds: int = 0
    """How long the condition must hold without a break."""
    cooldown_seconds: int = 900
    """The same rule is silent for the same symbol for so long after it fired."""
    quiet: QuietHours | None = None
    channels: tuple[str, ...] = ()
    """Empty: every channel that is set up."""
    enabled: bool = True
    group: Group | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense. Raises RuleError."""
        if not NAME.fullmatch(self.id):
            message = f"expected an id of small letters, digits and dashes, found {self.id!r}"
            raise RuleError(message, "id")
        if not 0 < len(self.title) <= LONGEST_TITLE:
            message = f"expected a title of 1 to {LONGEST_TITLE} characters"
            raise RuleError(message, "title")
        if not NAME.fullmatch(self.kind.replace("_", "-")):
            message = f"expected a kind such as whale_trade, found {self.kind!r}"
            raise RuleError(message, "kind")
        for name, seconds in (("for", self.for_seconds), ("cooldown", self.cooldown_seconds)):
            if not 0 <= seconds <= LONGEST_SECONDS:
                message = f"expected {name}_seconds of 0 to {LONGEST_SECONDS}"
                raise RuleError(message, f"{name}_seconds")
        if len(self.symbols) > MOST_SYMBOLS:
            message = f"expected at most {MOST_SYMBOLS} symbols"
            raise RuleError(message, "symbols")
        for symbol in self.symbols:
            if not SYMBOL.fullmatch(symbol):
                message = f"expected a symbol such as BTCUSDT, found {symbol!r}"
                raise RuleError(message, "symbols")
        check(self.when)
        momentary = any(each.operator is Operator.CHANGES for each in comparisons(self.when))
        if momentary and self.for_seconds:
            message = "a change is over at once, so for_seconds must be 0"
            raise RuleError(message, "for_seconds")
        if self.symbols and not self.is_of_symbols:
            message = "it looks at no number of a symbol, so symbols must be empty"
            raise RuleError(message, "symbols")
        if self.group is not None:
            self._check_group(self.group, momentary=momentary)

    def _check_group(self, group: Group, *, momentary: bool) -> None:
        if not self.is_of_symbols:
            message = "it looks at no number of a symbol, so there is no group"
            raise RuleError(message, "group")
        if group.top is not None and self.symbols:
            message = "expected the most traded symbols or those named, found both"
            raise RuleError(message, "group")
        if group.at_least is not None and momentary:
            message = "a change is over at once, so it cannot be counted over a group"
            raise RuleError(message, "group")
        if group.at_least is not None and self.symbols and group.at_least > len(self.symbols):
            message = f"expected at least {group.at_least} symbols, found {len(self.symbols)}"
            raise RuleError(message, "group")

    @property
    def is_of_symbols(self) -> bool:
        """Whether it is looked at for each symbol, or once for market and system."""
        return any(NUMBERS[each.number].scope is Scope.SYMBOL for each in comparisons(self.when))


def parse(plain: object) -> Rule:
    """Make a rule of what JSON or TOML gives. Raises RuleError, which says where and what."""
    table = _table(plain, "a rule")
    try:
        return _parsed(table)
    except RuleError as wrong:
        message = f"rule {table.get('id', '?')}: {wrong}"
        raise RuleError(message, wrong.field) from None


def _parsed(table: Mapping[str, object]) -> Rule:
    allowed = {"id", "title", "kind", "level", "when", "symbols", "for_seconds"}
    allowed |= {"cooldown_seconds", "quiet", "channels", "enabled", "group"}
    if unknown := sorted(set(table) - allowed):
        message = f"unknown key {unknown[0]!r}"
        raise RuleError(message)
    for needed in ("id", "title", "kind", "level", "when"):
        if needed not in table:
            message = f"{needed} is missing"
            raise RuleError(message, needed)
    try:
        level = AlertLevel(_text(table["level"], "level"))
    except ValueError:
        message = f"expected info, warning or critical, found {table['level']!r}"
        raise RuleError(message, "level") from None
    enabled = table.get("enabled", True)
    if not isinstance(enabled, bool):
        message = "expected enabled to be true or false"
        raise RuleError(message, "enabled")
    return Rule(
        id=_text(table["id"], "id"),
        title=_text(table["title"], "title"),
        kind=_text(table["kind"], "kind"),
        level=level,
        when=_condition(table["when"]),
        symbols=_texts(table.get("symbols", ()), "symbols"),
        for_seconds=_count(table.get("for_seconds", 0), "for_seconds"),
        cooldown_seconds=_count(table.get("cooldown_seconds", 900), "cooldown_seconds"),
        quiet=_quiet(table["quiet"]) if table.get("quiet") is not None else None,
        channels=_texts(table.get("channels", ()), "channels"),
        enabled=enabled,
        group=_group(table["group"]) if table.get("group") is not None else None,
    )


def plain(rule: Rule) -> dict[str, object]:
    """Give a rule as JSON and TOML write it; `parse` gives the same rule again."""
    table: dict[str, object] = {
        "id": rule.id,
        "title": rule.title,
        "kind": rule.kind,
        "level": rule.level.value,
        "when": plain_condition(rule.when),
        "symbols": list(rule.symbols),
        "for_seconds": rule.for_seconds,
        "cooldown_seconds": rule.cooldown_seconds,
        "channels": list(rule.channels),
        "enabled": rule.enabled,
    }
    if rule.group is not None:
        known = {"top": rule.group.top, "at_least": rule.group.at_least}
        table["group"] = {name: count for name, count in known.items() if count is not None}
    if rule.quiet is not None:
        table["quiet"] = f"{_clock(rule.quiet.begin)}-{_clock(rule.quiet.end)}"
    return table


def plain_condition(condition: Condition) -> dict[str, object]:
    """Give a condition as JSON and TOML write it."""
    if isinstance(condition, AllOf):
        return {"all": [plain_condition(part) for part in condition.parts]}
    if isinstance(condition, AnyOf):
        return {"any": [plain_condition(part) for part in condition.parts]}
    table: dict[str, object] = {"number": condition.number, "is": condition.operator.value}
    if condition.limit is not None:
        table["limit"] = condition.limit
    if condition.clear is not None:
        table["clear"] = condition.clear
    return table


def _condition(given: object, at: str = "when", depth: int = 0) -> Condition:
    """Read a condition that stands at a place of its rule."""
    try:
        return _read_condition(given, at, depth)
    except RuleError as wrong:
        inside = wrong.field.startswith(at)
        place = wrong.field if inside else f"{at}.{wrong.field}" if wrong.field else at
        raise RuleError(str(wrong), place) from None


def _read_condition(given: object, at: str, depth: int) -> Condition:
    table = _table(given, "a condition")
    # a depth that check() would refuse anyway must not be reached by recursion
    if depth > LONGEST_NEST:
        message = "groups are nested too deep"
        raise RuleError(message)
    for word, group in (("all", AllOf), ("any", AnyOf)):
        if word in table:
            parts = table[word]
            if set(table) != {word} or not isinstance(parts, Sequence) or isinstance(parts, str):
                message = f"expected {word!r} alone with a list of conditions"
                raise RuleError(message)
            return group(
                tuple(
                    _condition(part, f"{at}.{word}.{place}", depth + 1)
                    for place, part in enumerate(parts)
                )
            )
    if unknown := sorted(set(table) - {"number", "is", "limit", "clear"}):
        message = f"unknown key {unknown[0]!r} in a condition"
        raise RuleError(message)
    try:
        operator = Operator(_text(table.get("is"), "is"))
    except ValueError:
        words = ", ".join(Operator)
        message = f"expected one of {words}, found {table.get('is')!r}"
        raise RuleError(message, "is") from None
    limit, clear = table.get("limit"), table.get("clear")
    return Comparison(
        number=_text(table.get("number"), "number"),
        operator=operator,
        limit=limit if isinstance(limit, str) else _float(limit, "limit"),
        clear=_float(clear, "clear"),
    )


LONGEST_NEST: Final = 8


def _group(given: object) -> Group:
    table = _table(given, "a group")
    if unknown := sorted(set(table) - {"top", "at_least"}):
        message = f"unknown key {unknown[0]!r} in a group"
        raise RuleError(message, "group")
    return Group(
        **{name: _count(count, name) for name, count in table.items() if count is not None}
    )


def _quiet(given: object) -> QuietHours:
    text = _text(given, "quiet")
    found = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", text)
    if found is not None:
        from_hour, from_minute, to_hour, to_minute = (int(part) for part in found.groups())
        begin, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
        if max(from_minute, to_minute) < 60 and max(begin, end) < DAY_MINUTES and begin != end:
            return QuietHours(begin, end)
    message = f"expected quiet hours such as 22:00-07:00 (UTC), found {text!r}"
    raise RuleError(message, "quiet")


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _table(given: object, what: str) -> Mapping[str, object]:
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        message = f"expected {what} as a table, found {type(given).__name__}"
        raise RuleError(message)
    return given


def _text(given: object, key: str) -> str:
    if not isinstance(given, str):
        message = f"expected text for {key}, found {given!r}"
        raise RuleError(message, key)
    return given


def _texts(given: object, key: str) -> tuple[str, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        message = f"expected a list for {key}"
        raise RuleError(message, key)
    return tuple(_text(each, key) for each in given)


def _count(given: object, key: str) -> int:
    if not isinstance(given, int) or isinstance(given, bool):
        message = f"expected a whole number for {key}, found {given!r}"
        raise RuleError(message, key)
    return given


def _float(given: object, key: str) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        message = f"expected a number for {key}, found {given!r}"
        raise RuleError(message, key)
    value = float(given)
    if value - value != 0.0:  # not finite
        message = f"expected a finite number for {key}"
        raise RuleError(message, key)
    return value
