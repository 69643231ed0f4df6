"""Where settings come from: the defaults, a local file, a saved version, the environment."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from virtuoso.apps.security_settings import read_secret
from virtuoso.apps.settings import Settings, SymbolScoringSettings
from virtuoso.apps.settings_file import refuse_writable
from virtuoso.domain.errors import SettingsError

ENVIRONMENT: Mapping[str, tuple[str, str]] = {
    "APP_PORT": ("app", "port"),
    "MONITORING_PORT": ("app", "monitoring_port"),
    "DEBUG": ("app", "debug"),
    "CACHE_TYPE": ("cache", "type"),
    "MEMCACHED_HOST": ("cache", "memcached_host"),
    "MEMCACHED_PORT": ("cache", "memcached_port"),
    "REDIS_HOST": ("cache", "redis_host"),
    "REDIS_PORT": ("cache", "redis_port"),
    "VIRTUOSO_STATE_DIR": ("state", "dir"),
    "VIRTUOSO_STORE_URL": ("store", "url"),
    "VIRTUOSO_READ_TOKEN": ("security", "read_token"),
    "VIRTUOSO_WRITE_TOKEN": ("security", "write_token"),
    "VIRTUOSO_PASSWORD_HASH": ("security", "password_hash"),
    "VIRTUOSO_ALLOW_ROOT": ("security", "allow_root"),
}
"""Environment variables that set one key each."""


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        msg = f"expected a settings file at {path}, found none that can be read: {error.strerror}"
        raise SettingsError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"expected TOML in {path}, found: {error}"
        raise SettingsError(msg) from error


def default_path() -> Path:
    """Where the defaults stand, with a line on each."""
    packaged = Path(str(resources.files("virtuoso.apps"))) / "default.toml"
    if packaged.is_file():
        return packaged
    return Path(__file__).parents[3] / "config" / "default.toml"


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            merged[key] = _merge(known, value)
        else:
            merged[key] = value
    return merged


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, (table, key) in ENVIRONMENT.items():
        text = environment.get(name, "").strip()
        if not text:
            continue
        value: Any = text
        if name.endswith("_PORT"):
            if not text.isdecimal():
                msg = f"expected a port number in {name}, found {text[:20]!r}"
                raise SettingsError(msg)
            value = int(text)
        elif name in {"DEBUG", "VIRTUOSO_ALLOW_ROOT"}:
            value = text not in {"0", "false", "no"}
        tree.setdefault(table, {})[key] = value
    return tree


def default_settings() -> Settings:
    """What is set without any file or variable of the user's."""
    return msgspec.convert(_read_toml(default_path()), Settings, dec_hook=read_secret)


def local_path(file: Path | None) -> Path:
    """Give the file of the user's settings: the one that was named, or config/local.toml."""
    return default_path().with_name("local.toml") if file is None else file


def load_settings(
    file: Path | None,
    environment: Mapping[str, str],
    saved: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the tree: defaults, `file` (or config/local.toml if there), `saved`, the environment.

    `saved` is the tree of the version that was saved over the API, if one was.

    Raises SettingsError, which names the key, what was expected and what was found.
    """
    return settings_of(joined(trees(file, environment, saved or {}).values()))


def trees(
    file: Path | None, environment: Mapping[str, str], saved: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """What each place says, by its name, the weakest first. Raises SettingsError."""
    local = local_path(file)
    user: Mapping[str, Any] = {}
    if file is not None or local.is_file():
        refuse_writable(local)
        user = _read_toml(local)
    if "symbols" in saved.get("scoring", {}) and isinstance(user.get("scoring"), dict):
        # exceptions are saved as a whole, so that one of the file can be taken away
        user = {**user, "scoring": {k: v for k, v in user["scoring"].items() if k != "symbols"}}
    return {
        "default": _read_toml(default_path()),
        "file": user,
        "version": saved,
        "environment": _from_environment(environment),
    }


def joined(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One tree of all: the later ones win."""
    tree: dict[str, Any] = {}
    for layer in layers:
        tree = _merge(tree, layer)
    return tree


def settings_of(tree: Mapping[str, Any]) -> Settings:
    """Check a whole tree. Raises SettingsError, as above."""
    try:
        settings = msgspec.convert(tree, Settings, dec_hook=read_secret)
    except msgspec.ValidationError as error:
        msg = f"a setting is wrong: {error}{_found_at(str(error), tree)}"
        raise SettingsError(msg) from None
    settings.security.check()
    return settings


_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`")
_OF_A_SYMBOL = "scoring.symbols[...]"


def _found_at(error: str, tree: Mapping[str, Any]) -> str:
    """Say what stands at the place that an error of msgspec names."""
    match = _PLACE.search(error)
    if match is None:
        return ""
    place = match[1]
    if place.startswith("security"):
        # a secret may stand there, and is not repeated
        return ""
    found: Any = tree
    which = ""
    if place.startswith(_OF_A_SYMBOL):
        place = place.removeprefix(_OF_A_SYMBOL)
        which, found = _wrong_symbol(tree["scoring"]["symbols"])
    for key in filter(None, place.removesuffix("[...]").split(".")):
        if not isinstance(found, dict) or key not in found:
            return which
        found = found[key]
    if not isinstance(found, dict):
        return f"{which}, found {found!r:.80}"
    if "unknown field" in error:
        return f"{which}, found {', '.join(map(str, found)):.200}"
    few = [f"{key} = {value!r}" for key, value in found.items() if not isinstance(value, dict)]
    return f"{which}, found {', '.join(few):.200}"


def _wrong_symbol(symbols: Mapping[str, Any]) -> tuple[str, Any]:
    """Find the first symbol whose table is wrong: which, in words, and the table."""
    for symbol, table in symbols.items():
        try:
            msgspec.convert(table, SymbolScoringSettings)
        except msgspec.ValidationError:
            return f" of {symbol:.40}", table
    return "", {}
