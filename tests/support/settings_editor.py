"""An editor of settings over real files, with what stands for the engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.config_versions.files import FileConfigVersions
from virtuoso.apps.config_editor import ConfigEditor
from virtuoso.apps.scoring import definition_of
from virtuoso.apps.settings_sources import load_settings
from virtuoso.engine.trial import Trial
from virtuoso.scoring.definition import Definition


class Running:
    """Stands for what takes up changed settings."""

    def __init__(self, definition: Definition) -> None:
        self.running = definition
        self.refused: str | None = None
        self.woken = 0

    def wake(self) -> None:
        """Count it."""
        self.woken += 1


async def no_scores(_definition: Definition, symbols: Sequence[str]) -> Sequence[Trial]:
    """Say that nothing was scored yet."""
    return [Trial(each, "bybit", None, None, None, None) for each in symbols]


def editor(
    folder: Path,
    *,
    environment: dict[str, str] | None = None,
    limits: dict[str, Any] | None = None,
    text: str = "",
) -> tuple[ConfigEditor, Running]:
    """Build an editor over files of this folder."""
    file = folder / "mine.toml"
    if not file.exists():
        file.write_text(text, "utf-8")
    settings = load_settings(file, {})
    running = Running(definition_of(settings.scoring))
    made = ConfigEditor(
        started_with=settings,
        file=file,
        environment=environment or {},
        versions=FileConfigVersions(folder / "config"),
        running=running,
        try_definition=no_scores,
        clock=SystemClock(),
        why_read_only=lambda: None,
        limits=limits or {},
    )
    return made, running
