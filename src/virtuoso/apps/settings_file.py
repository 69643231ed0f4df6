"""Who else may read or write the file of the user's settings."""

import stat
from pathlib import Path
from typing import Final

from virtuoso.domain.errors import SettingsError

_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
_READABLE: Final = stat.S_IRGRP | stat.S_IROTH


def refuse_writable(path: Path) -> None:
    """Raises SettingsError when others may write the file: they could switch everything on."""
    mode = _mode(path)
    if mode & _WRITABLE:
        msg = (
            f"expected that only its owner may write {path}, found mode {mode:04o}: "
            f"chmod go-w {path}"
        )
        raise SettingsError(msg)


def readable_by_others(path: Path) -> bool:
    """Whether somebody else could read secrets in it."""
    return bool(_mode(path) & _READABLE)


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        # that it cannot be read is said by who reads it
        return 0
