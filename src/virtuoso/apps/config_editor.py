"""Answers questions about the settings where they are in force: in the engine's process.

Nothing that a client sends is repeated in a refusal; what is said there is ours.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from virtuoso.apps.config_keys import (
    Leaf,
    Tightens,
    descriptions,
    flattened,
    is_editable,
    leaves,
    loosened,
    nested,
    schema_of,
    unit_of,
)
from virtuoso.apps.config_saved import values_of
from virtuoso.apps.redaction import Redactor
from virtuoso.apps.reload import waits_for_start
from virtuoso.apps.scoring import definition_of
from virtuoso.apps.settings import Settings, builtins_of
from virtuoso.apps.settings_sources import joined, settings_of, trees
from virtuoso.domain.config import ConfigVersion
from virtuoso.domain.errors import (
    ConflictError,
    SettingsError,
    StateError,
    UnknownSymbolError,
)
from virtuoso.domain.instruments import parse_symbol
from virtuoso.domain.scores import ConfluenceScore
from virtuoso.engine.trial import MOST_SYMBOLS, Trial
from virtuoso.ports import Clock, ConfigVersions
from virtuoso.scoring.definition import Definition
from virtuoso.wire.config import (
    Change,
    ConfigDocument,
    ConfigEntry,
    ConfigRequest,
    Difference,
    DryRunDocument,
    SavedDocument,
    TrialScore,
    VersionEntry,
    VersionsDocument,
)
from virtuoso.wire.health import Problem
from virtuoso.wire.messages import to_json
from virtuoso.wire.records import iso

MOST_CHANGES: Final = 200
LONGEST_REASON: Final = 300
LONGEST_AUTHOR: Final = 60
VERSIONS_LISTED: Final = 100

Try = Callable[[Definition, Sequence[str]], Awaitable[Sequence[Trial]]]


class RunningSettings(Protocol):
    """What takes up changed settings, as `apps.reload.Reload` does."""

    @property
    def running(self) -> Definition:
        """What scores are computed by."""
        ...

    @property
    def refused(self) -> str | None:
        """Why the settings file is not taken up, if it is not."""
        ...

    def wake(self) -> None:
        """Look at the settings now."""
        ...


class RefusedError(Exception):
    """A question cannot be answered as asked."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


class _State:
    """The settings as all places say them now, and the version among them."""

    def __init__(
        self,
        version: ConfigVersion | None,
        values: Mapping[str, Any],
        layers: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.version = version
        self.values = values
        self.settings = settings_of(joined(layers.values()))
        self.tree = flattened(builtins_of(self.settings))
        self.by_layer = {name: flattened(tree) for name, tree in layers.items()}

    @property
    def number(self) -> int:
        return 0 if self.version is None else self.version.number

    def source(self, key: str) -> str:
        return next(
            (name for name in reversed(self.by_layer) if key in self.by_layer[name]), "default"
        )


class ConfigEditor:
    """Reads, tries, saves and restores. `why_read_only` says why nothing may be saved, if so."""

    def __init__(
        self,
        *,
        started_with: Settings,
        file: Path | None,
        environment: Mapping[str, str],
        versions: ConfigVersions,
        running: RunningSettings,
        try_definition: Try,
        clock: Clock,
        why_read_only: Callable[[], str | None],
        limits: Mapping[str, Tightens],
    ) -> None:
        self._started = flattened(builtins_of(started_with))
        self._file = file
        self._environment = environment
        self._versions = versions
        self._running = running
        self._try = try_definition
        self._clock = clock
        self._why_read_only = why_read_only
        self._limits = limits
        self._leaves = leaves()
        self._said = descriptions()
        self._redactor = Redactor()

    async def answer(self, request: ConfigRequest) -> tuple[int, bytes, int]:
        """Status, body and the version in force."""
        number = 0
        try:
            state = await self._state()
            number = state.number
            match request.action:
                case "read":
                    document: msgspec.Struct = self._document(state)
                case "dry_run":
                    document = await self._dry_run(state, request)
                case "save":
                    document = await self._save(state, request)
                case "versions":
                    document = await self._list(state)
                case "restore":
                    document = await self._restore(state, request)
        except RefusedError as error:
            return (*_problem(error), number)
        except ConflictError:
            refused = RefusedError(412, "version_changed", "Somebody saved another version.")
            return (*_problem(refused), number)
        except StateError:
            refused = RefusedError(503, "state_failed", "Versions cannot be read or written.")
            return (*_problem(refused), number)
        if isinstance(document, SavedDocument):
            number = document.version
        return 200, to_json(document), number

    async def _state(self, values: Mapping[str, Any] | None = None) -> _State:
        version = await self._versions.newest()
        try:
            known = values_of(version) if values is None else values
            return _State(version, known, trees(self._file, self._environment, nested(known)))
        except SettingsError as error:
            if values is None:
                raise RefusedError(409, "settings_refused", _ours(error)) from error
            raise RefusedError(422, "wrong_value", _ours(error)) from error

    # --- reading ---

    def _document(self, state: _State) -> ConfigDocument:
        version, why = state.version, self._why_read_only()
        problems = [f"saved version {name} is broken" for name in self._versions.broken]
        if self._running.refused is not None:
            problems.append(_ours(SettingsError(self._running.refused)))
        return ConfigDocument(
            status="degraded" if problems else "success",
            timestamp=iso(self._clock.now()),
            version=state.number,
            author=None if version is None else version.author,
            saved_at=None if version is None else iso(version.at),
            definition=self._running.running.hash,
            writable=why is None,
            why_not=why,
            settings=tuple(self._entry(state, leaf) for leaf in self._leaves),
            problems=tuple(problems),
        )

    def _entry(self, state: _State, leaf: Leaf) -> ConfigEntry:
        key, secret = leaf.key, leaf.secret
        from_start = waits_for_start(key)
        value, default = state.tree.get(key), state.by_layer["default"].get(key)
        said = self._said.get(key) or self._said.get(key.rpartition(".")[0], "")
        source: Any = state.source(key)
        return ConfigEntry(
            key=key,
            value=None if secret else self._shown(value),
            default=None if secret else self._shown(default),
            source=source,
            description=said,
            unit=unit_of(key),
            editable=is_editable(key),
            needs_restart=from_start,
            schema=schema_of(leaf),
            secret=secret,
            is_set=bool(value) if secret else True,
            waiting=from_start and not secret and self._started.get(key) != value,
        )

    def _shown(self, value: Any) -> Any:  # noqa: ANN401
        """An address may hold a password."""
        return self._redactor.redact(value) if isinstance(value, str) else value

    # --- changing ---

    def _asked(self, request: ConfigRequest) -> Change:
        try:
            change = msgspec.json.decode(request.body, type=Change)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            detail = 'Expected {"changes": {"scoring.coverage_floor": 0.6}, "reason": "..."}.'
            raise RefusedError(422, "invalid", detail) from error
        return change

    def _changed(self, state: _State, change: Change) -> dict[str, Any]:
        """The values of a new version. Raises RefusedError for keys that are not to be changed."""
        if not 1 <= len(change.changes) <= MOST_CHANGES:
            detail = f"Expected 1 to {MOST_CHANGES} changes, found {len(change.changes)}."
            raise RefusedError(422, "invalid", detail)
        known = {leaf.key for leaf in self._leaves}
        if any(key not in known or not is_editable(key) for key in change.changes):
            detail = "At least one key is none that may be changed over the API: none was changed."
            raise RefusedError(422, "not_editable", detail)
        values = dict(state.values)
        for key, raw in change.changes.items():
            try:
                value = msgspec.json.decode(raw)
            except (msgspec.MsgspecError, RecursionError) as error:
                raise RefusedError(422, "invalid", "A value is no JSON.") from error
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
        return values

    async def _judged(self, state: _State, values: Mapping[str, Any]) -> tuple[_State, Definition]:
        """The settings with these values. Raises RefusedError when they are none."""
        after = await self._state(values)
        try:
            definition = definition_of(after.settings.scoring)
        except SettingsError as error:
            raise RefusedError(422, "wrong_value", _ours(error)) from error
        loose = loosened(state.tree, after.tree, self._limits)
        if loose:
            detail = f"Limits of risk can only be tightened over the API: {', '.join(loose)}."
            raise RefusedError(403, "only_tighter", detail)
        return after, definition

    def _differences(self, before: _State, after: _State) -> tuple[Difference, ...]:
        """What differs, also where the environment keeps it from having an effect."""
        keys = [leaf.key for leaf in self._leaves if not leaf.secret]
        found = []
        for key in keys:
            old, new = before.tree.get(key), after.tree.get(key)
            asked = before.values.get(key) != after.values.get(key)
            hidden = asked and key in after.by_layer["environment"]
            if old != new or hidden:
                found.append(Difference(key, old, new, waits_for_start(key), hidden))
        return tuple(found)

    async def _dry_run(self, state: _State, request: ConfigRequest) -> DryRunDocument:
        change = self._asked(request)
        after, definition = await self._judged(state, self._changed(state, change))
        if len(change.symbols) > MOST_SYMBOLS:
            raise RefusedError(422, "invalid", f"Expected at most {MOST_SYMBOLS} symbols.")
        try:
            symbols = [str(parse_symbol(each)) for each in change.symbols]
            trials = await self._try(definition, symbols)
        except UnknownSymbolError as error:
            detail = "At least one symbol is not among those watched."
            raise RefusedError(404, "unknown_symbol", detail) from error
        return DryRunDocument(
            status="success",
            timestamp=iso(self._clock.now()),
            version=state.number,
            differences=self._differences(state, after),
            definition_before=self._running.running.hash,
            definition_after=definition.hash,
            scores=tuple(_told(each) for each in trials),
        )

    def _may_save(self, state: _State, request: ConfigRequest) -> None:
        why = self._why_read_only()
        if why is not None:
            raise RefusedError(403, "read_only", why)
        if request.version is None:
            detail = 'Say in If-Match which version you have seen, such as "config-0".'
            raise RefusedError(428, "version_needed", detail)
        if request.version != state.number:
            detail = "Somebody saved another version meanwhile: read it, then decide."
            raise RefusedError(412, "version_changed", detail)

    async def _save(self, state: _State, request: ConfigRequest) -> SavedDocument:
        self._may_save(state, request)
        change = self._asked(request)
        values = self._changed(state, change)
        return await self._keep(state, request, change, values, None)

    async def _restore(self, state: _State, request: ConfigRequest) -> SavedDocument:
        self._may_save(state, request)
        try:
            change = msgspec.json.decode(request.body, type=Change)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise RefusedError(422, "invalid", 'Expected {"reason": "..."}.') from error
        wanted = await self._versions.find(request.number or 0)
        if wanted is None:
            raise RefusedError(404, "no_such_version", "There is no such version, or it is broken.")
        return await self._keep(state, request, change, values_of(wanted), wanted.number)

    async def _keep(
        self,
        state: _State,
        request: ConfigRequest,
        change: Change,
        values: Mapping[str, Any],
        restored_from: int | None,
    ) -> SavedDocument:
        reason, author = change.reason.strip(), change.author.strip() or request.actor
        if not 1 <= len(reason) <= LONGEST_REASON or len(change.author) > LONGEST_AUTHOR:
            detail = (
                f"Expected a reason of 1 to {LONGEST_REASON} characters and an author of at most "
                f"{LONGEST_AUTHOR}."
            )
            raise RefusedError(422, "invalid", detail)
        after, definition = await self._judged(state, values)
        version = ConfigVersion(
            number=await self._versions.next_number(),
            at=self._clock.now(),
            author=author,
            actor=request.actor,
            reason=reason,
            values=msgspec.json.encode(values, order="deterministic").decode(),
            restored_from=restored_from,
        )
        await self._versions.add(version)
        self._running.wake()
        return SavedDocument(
            status="success",
            timestamp=iso(self._clock.now()),
            version=version.number,
            differences=self._differences(state, after),
            definition=definition.hash,
        )

    async def _list(self, state: _State) -> VersionsDocument:
        found = await self._versions.last(VERSIONS_LISTED)
        return VersionsDocument(
            status="success",
            timestamp=iso(self._clock.now()),
            version=state.number,
            versions=tuple(
                VersionEntry(
                    each.number,
                    iso(each.at),
                    each.author,
                    each.actor,
                    each.reason,
                    each.restored_from,
                    values_of(each),
                )
                for each in found
            ),
        )


def _told(trial: Trial) -> TrialScore:
    before, after = trial.before, trial.after
    untold = "not_told_before_the_next_start" if before is None else None
    return TrialScore(
        symbol=trial.symbol,
        venue=trial.venue,
        at=None if before is None else iso(before.at),
        before=_number(before),
        after=_number(after),
        before_reason=_reason(before) or untold,
        after_reason=_reason(after) or untold,
        before_coverage=None if before is None else before.coverage,
        after_coverage=None if after is None else after.coverage,
        before_direction=trial.before_direction,
        after_direction=trial.after_direction,
    )


def _number(score: ConfluenceScore | None) -> float | None:
    return None if score is None or score.score is None else round(score.score, 2)


def _reason(score: ConfluenceScore | None) -> str | None:
    return None if score is None or score.reason is None else str(score.reason)


_WANTED: Final = re.compile(r"expected .*?(?=, found|$)|Expected [a-z]+ [<>=]+ [0-9.]+")
_PLACE: Final = re.compile(r"[a-z]+(?:\.[a-z0-9_]+)+")


def _ours(error: SettingsError) -> str:
    """The part of an error that is ours: what was expected where, and nothing of what was found."""
    text = str(error)
    known = {part for leaf in leaves() for part in (leaf.key, leaf.key.rpartition(".")[0])}
    places = dict.fromkeys(each for each in _PLACE.findall(text) if each in known)
    wanted = _WANTED.search(text)
    said = "a value that its schema allows" if wanted is None else wanted[0][len("expected ") :]
    where = (
        f" in {', '.join(places)}" if places and not any(each in said for each in places) else ""
    )
    return f"Expected {said}{where}."


def _problem(error: RefusedError) -> tuple[int, bytes]:
    titles = {403: "Forbidden", 404: "Not Found", 409: "Conflict", 412: "Precondition Failed"}
    title = titles.get(error.status, "Refused")
    body = Problem(title=title, status=error.status, code=error.code, detail=error.detail)
    return error.status, to_json(body)
