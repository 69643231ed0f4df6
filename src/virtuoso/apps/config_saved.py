"""The saved version of the settings that is in force, between the file and the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from virtuoso.adapters.config_versions.files import FileConfigVersions
from virtuoso.apps.config_keys import is_editable, nested
from virtuoso.apps.settings import Settings
from virtuoso.apps.settings_sources import load_settings
from virtuoso.domain.config import ConfigVersion
from virtuoso.domain.errors import SettingsError

log = structlog.get_logger()


def versions_of(settings: Settings) -> FileConfigVersions:
    """Where versions are kept: in the state folder."""
    return FileConfigVersions(settings.state.folder(os.environ) / "config")


def values_of(version: ConfigVersion | None) -> dict[str, Any]:
    """What a version sets, by dotted key; a key that may not be changed over the API is left out.

    Raises SettingsError when it holds no such thing.
    """
    if version is None:
        return {}
    try:
        values = msgspec.json.decode(version.values, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        msg = f"expected values by key in saved version {version.number}, found: {error}"
        raise SettingsError(msg) from error
    foreign = [key for key in values if not is_editable(key)]
    if foreign:
        log.warning("saved_keys_ignored", version=version.number, keys=foreign[:20])
    return {key: value for key, value in values.items() if is_editable(key)}


def load_with_saved(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the settings that are in force, a saved version included. Raises SettingsError."""
    settings = load_settings(file, environment)
    versions = FileConfigVersions(settings.state.folder(environment) / "config")
    version = versions.newest_now()
    for name in versions.broken:
        log.warning("saved_version_broken", file=name, in_force=version and version.number)
    if version is None:
        return settings
    try:
        return load_settings(file, environment, nested(values_of(version)))
    except SettingsError as error:
        msg = f"saved version {version.number} does not fit the settings file: {error}"
        raise SettingsError(msg) from error
