"""The rules in force: the ready-made ones, and those of a person over them.

A file that is broken changes nothing: the rules before stay in force, and health says so.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from virtuoso.alerting.rules import Rule, parse, plain
from virtuoso.domain.errors import ConflictError, RuleError, StateError
from virtuoso.ports import RuleShelf

log = structlog.get_logger()

MOST_RULES: Final = 10_000
LOOK_S: Final = 2.0


class RuleBook:
    """`rules` and `version` change together; who looks at them each second sees it."""

    def __init__(self, ready_made: Sequence[Rule], shelf: RuleShelf) -> None:
        self._ready_made = {rule.id: rule for rule in ready_made}
        self._shelf = shelf
        self._own: dict[str, Rule] = {}
        self._alone = asyncio.Lock()
        self.version = 0
        """Of the person's rules; 0 while there are none."""
        self.rules: tuple[Rule, ...] = tuple(ready_made)
        self.problem: str | None = None
        """Why the file is not in force; None while it is."""

    def is_ready_made(self, rule: str) -> bool:
        """Whether a rule of this id comes with the program; one of a person may stand over it."""
        return rule in self._ready_made

    def is_own(self, rule: str) -> bool:
        """Whether a person wrote it."""
        return rule in self._own

    async def run(self) -> None:
        """Take up the file when it changed, for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(LOOK_S)

    async def refresh(self) -> None:
        """Take up the file if it changed."""
        async with self._alone:
            try:
                if not await self._shelf.changed():
                    return
                version, tables = await self._shelf.read()
                self._take(version, [parse(table) for table in _counted(tables)])
            except (StateError, RuleError) as error:
                self.problem = str(error)
                log.warning("rules_refused", error=self.problem[:300])

    async def put(self, rule: Rule, seen: int | None = None) -> int:
        """Keep a rule, in force from the next second on; gives the new version.

        Raises ConflictError when another version than `seen` is in force, StateError when it
        cannot be kept.
        """
        async with self._alone:
            self._agree(seen)
            own = {**self._own, rule.id: rule}
            if len(own) + len(self._ready_made) > MOST_RULES:
                msg = f"expected at most {MOST_RULES:,} rules"
                raise RuleError(msg)
            return await self._keep(own)

    async def remove(self, rule: str, seen: int | None = None) -> int | None:
        """Drop a person's rule; a ready-made one of that id counts again. None: there is none."""
        async with self._alone:
            self._agree(seen)
            if rule not in self._own:
                return None
            return await self._keep({id_: each for id_, each in self._own.items() if id_ != rule})

    def _agree(self, seen: int | None) -> None:
        if self.problem is not None:
            raise ConflictError(self.problem)
        if seen is not None and seen != self.version:
            msg = f"expected version {self.version} of the rules, found {seen}"
            raise ConflictError(msg)

    async def _keep(self, own: dict[str, Rule]) -> int:
        version = self.version + 1
        await self._shelf.write(version, [plain(each) for each in own.values()])
        self._take(version, list(own.values()))
        return version

    def _take(self, version: int, own: Sequence[Rule]) -> None:
        found = {rule.id: rule for rule in own}
        if len(found) != len(own):
            msg = "expected each id once among the rules"
            raise RuleError(msg)
        self._own, self.version, self.problem = found, version, None
        self.rules = tuple({**self._ready_made, **found}.values())
        log.info("rules_in_force", rules=len(self.rules), own=len(found), version=version)


def _counted(tables: Sequence[object]) -> Sequence[object]:
    if len(tables) > MOST_RULES:
        msg = f"expected at most {MOST_RULES:,} rules, found {len(tables):,}"
        raise RuleError(msg)
    return tables
