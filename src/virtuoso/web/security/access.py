"""What somebody may do, and in which words a log names them."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final

ACCESS: Final = "virtuoso.access"
"""Where the guard leaves an `Access` in the scope."""
CLIENT: Final = "virtuoso.client"
"""Where the guard leaves the address that asks, behind any declared proxy."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks. `session` is the id of the browser's session, where there is one."""

    read: bool
    write: bool
    actor: str
    session: str | None = None


NOBODY: Final = Access(read=False, write=False, actor="nobody")
OPEN: Final = Access(read=True, write=False, actor="anybody here")
"""On this computer alone, where no token is configured: reading is open, writing is off."""


def access_of(scope: MutableMapping[str, Any]) -> Access:
    """What the guard found out. Without a guard in front nobody may do anything."""
    found = scope.get(ACCESS)
    return found if isinstance(found, Access) else NOBODY
