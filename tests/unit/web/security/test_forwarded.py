"""Proxies: whose word is believed, and what a public bind asks of it."""

from ipaddress import ip_network

import pytest

from support.guarded import JSON, READ_TOKEN, WRITE_TOKEN, bearer, guarded
from virtuoso.web.security.forwarded import Proxies
from virtuoso.web.security.guard import Policy

PROXIES = Proxies([ip_network("10.0.0.2"), ip_network("10.1.0.0/24")])
POLICY = Policy(("desk.lan",), PROXIES, needs_proxy=True)
HTTPS = {"host": "desk.lan", "x-forwarded-for": "192.0.2.9", "x-forwarded-proto": "https"}


@pytest.mark.parametrize(
    ("peer", "headers", "status", "code"),
    [
        ("10.0.0.2", HTTPS, 200, None),
        ("10.0.0.2", {**HTTPS, "x-forwarded-proto": "http"}, 403, "not_secure"),
        ("10.0.0.2", {"host": "desk.lan"}, 400, "not_forwarded"),
        ("10.0.0.2", {**HTTPS, "x-forwarded-for": "nonsense"}, 400, "not_forwarded"),
        ("10.0.0.2", {**HTTPS, "host": "evil.example"}, 400, "wrong_host"),
        ("192.0.2.9", HTTPS, 403, "undeclared_proxy"),
        ("192.0.2.9", {"host": "desk.lan"}, 403, "not_secure"),
        ("127.0.0.1", {}, 200, None),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.9"}, 403, "undeclared_proxy"),
    ],
)
async def test_only_a_declared_proxy_speaks_for_others(
    peer: str, headers: dict[str, str], status: int, code: str | None
) -> None:
    """And where others can connect without our TLS, nobody but it is let in."""
    site = guarded(read=READ_TOKEN, public=True, policy=POLICY)
    async with site.client(peer) as client:
        answer = await client.get("/api/data", headers={**headers, **bearer(READ_TOKEN)})
    assert answer.status_code == status
    if code is not None:
        assert answer.json()["code"] == code


async def test_a_proxy_in_front_of_an_open_loopback_is_found_out() -> None:
    """Else everybody behind it would be taken for this computer."""
    site = guarded()
    async with site.client() as client:
        answer = await client.get("/api/data", headers={"x-forwarded-for": "192.0.2.9"})
    assert answer.json()["code"] == "undeclared_proxy"


@pytest.mark.parametrize(
    ("hops", "address"),
    [
        ("192.0.2.9", "192.0.2.9"),
        ("1.2.3.4, 192.0.2.9", "192.0.2.9"),
        ("127.0.0.1, 192.0.2.9, 10.1.0.7", "192.0.2.9"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("10.1.0.7", None),
        ("192.0.2.9, unknown", None),
        ("", None),
    ],
)
def test_the_last_address_that_is_no_proxy_asks(hops: str, address: str | None) -> None:
    """What stands before it is whatever the client wrote."""
    asked = PROXIES.asked(hops.encode(), b"https")
    assert (None if asked is None else asked.address) == address


async def test_over_tls_the_origin_is_https_and_the_cookie_secure() -> None:
    """The scheme is the one the browser sees."""
    site = guarded(write=WRITE_TOKEN, public=True, policy=POLICY)
    async with site.client("10.0.0.2", "https://desk.lan") as client:
        headers = {**HTTPS, **JSON, "origin": "https://desk.lan"}
        answer = await client.post("/api/session", headers=headers, json={"secret": WRITE_TOKEN})
        assert answer.status_code == 200
        assert "secure" in answer.headers["set-cookie"].lower()
        assert answer.headers["strict-transport-security"]
        wrong = {**headers, "origin": "http://desk.lan"}
        answer = await client.post("/api/session", headers=wrong, json={"secret": WRITE_TOKEN})
        assert answer.json()["code"] == "wrong_origin"
