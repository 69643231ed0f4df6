"""Makes what `[security]` wants: tokens, and the hash of a password."""

import getpass
import secrets
import sys
from typing import Final

from argon2 import PasswordHasher

from virtuoso.domain.errors import SettingsError

LEAST_PASSWORD: Final = 12


def print_token() -> int:
    """Print a new token of 256 bits."""
    sys.stdout.write(f"{secrets.token_urlsafe(32)}\n")
    return 0


def print_password_hash() -> int:
    """Ask for a password, or take one line of standard input, and print its argon2id hash."""
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline()
    password = password.rstrip("\r\n")
    if len(password) < LEAST_PASSWORD:
        msg = f"expected a password of at least {LEAST_PASSWORD} characters, found {len(password)}"
        raise SettingsError(msg)
    sys.stdout.write(f"{PasswordHasher().hash(password)}\n")
    return 0
