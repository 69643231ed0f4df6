"""Who may ask, who may change something, and by which names and ways this server is reached."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final, TypeAlias

import msgspec

from virtuoso.domain.errors import SettingsError
from virtuoso.domain.secret import NO_SECRET, SecretText

LEAST_TOKEN: Final = 43
"""Characters that 256 bits take in base64 without padding; in hexadecimal they take 64."""
LEAST_DIFFERENT: Final = 12
"""Different characters in a token; fewer do not come out of a random generator."""
HASH_FORM: Final = "$argon2id$"

Network: TypeAlias = IPv4Network | IPv6Network


class SecuritySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is open to whom. By default: reading, from this computer."""

    hosts: tuple[str, ...] = ()
    read_token: SecretText = NO_SECRET
    write_token: SecretText = NO_SECRET
    password_hash: SecretText = NO_SECRET
    session_hours: Annotated[float, msgspec.Meta(gt=0, le=12)] = 12.0
    tls_certificate: str = ""
    tls_key: str = ""
    trusted_proxies: tuple[str, ...] = ()
    config_writes: bool = False
    allow_root: bool = False

    @property
    def has_credentials(self) -> bool:
        """Whether anybody could sign in."""
        return bool(self.read_token or self.write_token or self.password_hash)

    @property
    def has_tls(self) -> bool:
        """Whether this process speaks TLS itself."""
        return bool(self.tls_certificate and self.tls_key)

    def proxies(self) -> tuple[Network, ...]:
        """The declared proxies. Raises SettingsError for what is no address."""
        found: list[Network] = []
        for text in self.trusted_proxies:
            try:
                network = ip_network(text)
            except ValueError as error:
                msg = (
                    "expected security.trusted_proxies to hold addresses such as 10.0.0.2 or "
                    f"10.1.0.0/24, found {text[:60]!r}"
                )
                raise SettingsError(msg) from error
            if network.prefixlen == 0:
                msg = f"expected security.trusted_proxies to name proxies, found everybody: {text}"
                raise SettingsError(msg)
            found.append(network)
        return tuple(found)

    def check(self) -> None:
        """Raises SettingsError for what would protect nothing; no secret is in its text."""
        for name, token in (("read_token", self.read_token), ("write_token", self.write_token)):
            text = token.reveal()
            if token and (len(text) < LEAST_TOKEN or len(set(text)) < LEAST_DIFFERENT):
                msg = (
                    f"expected security.{name} to be 256 random bits, as `virtuoso token` prints "
                    f"them, found {len(text)} characters, {len(set(text))} of them different"
                )
                raise SettingsError(msg)
        if self.read_token and self.read_token == self.write_token:
            msg = "expected security.read_token and security.write_token to differ, found one token"
            raise SettingsError(msg)
        if self.password_hash and not self.password_hash.reveal().startswith(HASH_FORM):
            msg = (
                f"expected security.password_hash to begin with {HASH_FORM}, as `virtuoso "
                "password` prints it, found something else"
            )
            raise SettingsError(msg)
        if bool(self.tls_certificate) != bool(self.tls_key):
            msg = "expected security.tls_certificate and security.tls_key together, found only one"
            raise SettingsError(msg)
        self.proxies()


def read_secret(kind: type, value: object) -> object:
    """Build a SecretText for msgspec; what is no text is refused without being repeated."""
    if kind is SecretText and isinstance(value, str):
        return SecretText(value.strip())
    msg = "expected text"
    raise ValueError(msg)


def write_secret(value: object) -> object:
    """Show a SecretText to msgspec, masked."""
    if isinstance(value, SecretText):
        return value.masked()
    msg = f"expected a secret, found {type(value).__name__}"
    raise NotImplementedError(msg)
