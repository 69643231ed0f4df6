"""Which addresses a webhook may have, and that a refusal never repeats one."""

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from virtuoso.adapters.alert_channel.addresses import (
    PublicOnly,
    discord_address,
    is_public,
    webhook_address,
)
from virtuoso.domain.errors import SettingsError

GOOD = "https://discord.com/api/webhooks/123456789/abc-DEF_123"
EVIL = (
    "",
    " " + GOOD,
    GOOD + " ",
    GOOD + "\n",
    GOOD + "\r\nX-Evil: 1",
    "http://discord.com/api/webhooks/1/secret",
    "HTTPS://discord.com/api/webhooks/1/secret",
    "ftp://discord.com/api/webhooks/1/secret",
    "file:///api/webhooks/1/secret",
    "//discord.com/api/webhooks/1/secret",
    "discord.com/api/webhooks/1/secret",
    "javascript:alert(1)",
    "https://discord.com:443/api/webhooks/1/secret",
    "https://discord.com:8443/api/webhooks/1/secret",
    "https://discord.com:/api/webhooks/1/secret",
    "https://discord.com:x/api/webhooks/1/secret",
    "https://user@discord.com/api/webhooks/1/secret",
    "https://user:pass@discord.com/api/webhooks/1/secret",
    "https://discord.com@evil.example/api/webhooks/1/secret",
    "https://evil.example/discord.com/api/webhooks/1/secret",
    "https://discord.com.evil.example/api/webhooks/1/secret",
    "https://evildiscord.com/api/webhooks/1/secret",
    "https://discord.com./api/webhooks/1/secret",
    "https://sub.discord.com/api/webhooks/1/secret",
    "https://DISCORD.com/api/webhooks/1/secret",
    "https://dis\u0441ord.com/api/webhooks/1/secret",
    "https://xn--disord-4of.com/api/webhooks/1/secret",
    "https://127.0.0.1/api/webhooks/1/secret",
    "https://[::1]/api/webhooks/1/secret",
    "https://169.254.169.254/api/webhooks/1/secret",
    "https://2130706433/api/webhooks/1/secret",
    "https://localhost/api/webhooks/1/secret",
    "https://discord.com/api/webhooks/1/secret?wait=true",
    "https://discord.com/api/webhooks/1/secret#x",
    "https://discord.com/api/webhooks/1/secret/",
    "https://discord.com/api/webhooks/1/secret/slack",
    "https://discord.com/api/webhooks/1/../../users/@me",
    "https://discord.com/api/webhooks/%31/secret",
    "https://discord.com/api/webhooks/one/secret",
    "https://discord.com/api/webhooks//secret",
    "https://discord.com/api/webhooks/1/",
    "https://discord.com/api/v10/webhooks/1/secret",
    "https://discord.com\\@evil.example/api/webhooks/1/secret",
    "https://discord.com/api/webhooks/1/se%2fcret",
    "https://discord.com/api/webhooks/\u0661/secret",
    "https://discord.com/api/webhooks/1/" + "a" * 121,
)


@pytest.mark.parametrize("text", EVIL)
def test_an_evil_address_of_discord_is_refused_and_not_repeated(text: str) -> None:
    """S9: only the two hosts, the path of a webhook, nothing else; the secret stays one."""
    with pytest.raises(SettingsError) as refused:
        discord_address(text)
    assert "secret/" not in str(refused.value)
    assert text.strip() == "" or text.strip() not in str(refused.value)


def test_there_are_forty_evil_addresses() -> None:
    """The contract asks for so many, each another one."""
    assert len(set(EVIL)) >= 40


@pytest.mark.parametrize("host", ["discord.com", "discordapp.com"])
def test_both_hosts_of_discord_are_taken(host: str) -> None:
    """The older name still works."""
    text = f"https://{host}/api/webhooks/1/secret"
    assert discord_address(text) == text


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("https://hooks.example.org/alerts", True),
        ("https://hooks.example.org:8443/alerts?x=1", True),
        ("http://127.0.0.1:9000/alerts", True),
        ("http://hooks.example.org/alerts", False),
        ("https://user:pass@hooks.example.org/", False),
        ("https://10.0.0.8/alerts", False),
        ("https://[fe80::1]/alerts", False),
        ("gopher://127.0.0.1/", False),
        ("https:///alerts", False),
    ],
)
def test_a_webhook_of_ones_own_is_https_or_on_this_computer(text: str, good: bool) -> None:  # noqa: FBT001
    """Nothing is sent in the clear, nor to private addresses that were typed in."""
    if good:
        assert webhook_address(text) == text
        return
    with pytest.raises(SettingsError):
        webhook_address(text)


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "127.0.0.1", "::1", "fe80::1%eth0", "::ffff:192.168.0.1", "169.254.169.254",
     "100.64.0.1", "240.0.0.1", "224.0.0.1", "2002:0a00:0001::1", "x"],
)  # fmt: skip
def test_private_addresses_are_not_public(address: str) -> None:
    """However they are written."""
    assert not is_public(address)


class _Names(AbstractResolver):
    def __init__(self, *hosts: str) -> None:
        self._hosts = hosts

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0)
                for each in self._hosts]  # fmt: skip

    async def close(self) -> None:
        pass


async def test_a_name_that_resolves_to_a_private_address_is_not_connected_to() -> None:
    """A name server may lie; public addresses beside it are still used."""
    with pytest.raises(OSError, match="only private ones"):
        await PublicOnly(_Names("192.168.1.1", "::1")).resolve("discord.com")
    found = await PublicOnly(_Names("10.0.0.1", "162.159.128.233")).resolve("discord.com")
    assert [each["host"] for each in found] == ["162.159.128.233"]
