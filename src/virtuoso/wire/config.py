"""Questions about the settings from what serves to the engine, and its answers, over the broker."""

from typing import Any, Final, Literal, TypeAlias

import msgspec

from virtuoso.wire import keys
from virtuoso.wire.asking import Question, Subject

Action: TypeAlias = Literal["read", "dry_run", "save", "versions", "restore"]


class ConfigRequest(Question, frozen=True, kw_only=True):
    """One question about the settings; `version` is that of the settings."""

    action: Action
    number: int | None = None
    """The version to restore."""


SETTINGS: Final = Subject(
    "settings",
    keys.CONFIG_ASK,
    keys.CONFIG_ANSWER,
    ConfigRequest,
    changes=frozenset({"save", "restore"}),
    deadline_s=5.0,
)


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be set, by dotted key; null goes back to what the file says."""

    changes: dict[str, msgspec.Raw] = {}
    symbols: tuple[str, ...] = ()
    """Of a dry run: whose scores to compute, five at most; empty: the first of the board."""
    author: str = ""
    reason: str = ""


class ConfigEntry(msgspec.Struct, frozen=True):
    """One setting."""

    key: str
    value: Any
    default: Any
    source: Literal["default", "file", "environment", "version"]
    description: str
    unit: str | None
    editable: bool
    needs_restart: bool
    schema: dict[str, Any]
    """JSON Schema of its value."""
    secret: bool = False
    is_set: bool = True
    """Of a secret: whether there is one; its value is never told."""
    waiting: bool = False
    """Whether another value is in force until the next start."""


class ConfigDocument(msgspec.Struct, frozen=True):
    """`GET /api/config`."""

    status: str
    timestamp: str
    version: int
    author: str | None
    saved_at: str | None
    definition: str
    """Hash of the scoring definition in force."""
    writable: bool
    why_not: str | None
    settings: tuple[ConfigEntry, ...]
    problems: tuple[str, ...]
    """Versions that are broken, a file that is refused."""


class Difference(msgspec.Struct, frozen=True):
    """One setting that would change, or did."""

    key: str
    before: Any
    after: Any
    needs_restart: bool
    overridden: bool = False
    """The environment sets it: nothing changes as long as it does."""


class TrialScore(msgspec.Struct, frozen=True):
    """One symbol's newest second, scored by both definitions."""

    symbol: str
    venue: str
    at: str | None
    before: float | None
    after: float | None
    before_reason: str | None
    after_reason: str | None
    before_coverage: float | None
    after_coverage: float | None
    before_direction: str | None
    """What the score alone proposes by the thresholds, without its past."""
    after_direction: str | None


class DryRunDocument(msgspec.Struct, frozen=True):
    """`POST /api/config/dry-run`."""

    status: str
    timestamp: str
    version: int
    differences: tuple[Difference, ...]
    definition_before: str
    definition_after: str
    scores: tuple[TrialScore, ...]


class SavedDocument(msgspec.Struct, frozen=True):
    """`PUT /api/config` and a restore."""

    status: str
    timestamp: str
    version: int
    differences: tuple[Difference, ...]
    definition: str
    """Hash of the definition that is taken up now."""


class VersionEntry(msgspec.Struct, frozen=True):
    """One saved version."""

    version: int
    saved_at: str
    author: str
    actor: str
    reason: str
    restored_from: int | None
    values: dict[str, Any]


class VersionsDocument(msgspec.Struct, frozen=True):
    """`GET /api/config/versions`."""

    status: str
    timestamp: str
    version: int
    versions: tuple[VersionEntry, ...]
