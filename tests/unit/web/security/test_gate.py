"""Signing in: tokens, the password, sessions, and what wrong tries lead to."""

import httpx
import pytest
from argon2 import PasswordHasher

from support.guarded import (
    JSON,
    ORIGIN,
    READ_TOKEN,
    WRITE_TOKEN,
    Guarded,
    bearer,
    guarded,
)
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.web.security.lockout import LONGEST_LOCK_MS, Lockout
from virtuoso.web.security.sessions import COOKIE, RevokedHere, Sessions

PASSWORD = "correct horse battery staple"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def _site() -> Guarded:
    return guarded(read=READ_TOKEN, write=WRITE_TOKEN, password_hash=QUICK.hash(PASSWORD))


async def _sign_in(client: httpx.AsyncClient, secret: str) -> httpx.Response:
    headers = {**JSON, "origin": ORIGIN, "sec-fetch-site": "same-origin"}
    return await client.post("/api/session", headers=headers, json={"secret": secret})


@pytest.mark.parametrize(
    ("secret", "write"), [(READ_TOKEN, False), (WRITE_TOKEN, True), (PASSWORD, True)]
)
async def test_a_session_allows_what_its_secret_allows(secret: str, *, write: bool) -> None:
    """The cookie stands for the token or the password, and shows neither."""
    site = _site()
    async with site.client() as client:
        answer = await _sign_in(client, secret)
        assert answer.status_code == 200
        assert answer.json()["write"] is write
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "max-age=43200" in cookie
        assert secret not in answer.headers["set-cookie"]
        assert (await client.get("/api/data")).status_code == 200
        changed = await client.put("/api/thing", headers={**JSON, "origin": ORIGIN})
        assert changed.status_code == (200 if write else 403)


async def test_a_cookie_without_an_origin_changes_nothing() -> None:
    """What no page of ours sent is not sent by our page."""
    site = _site()
    async with site.client() as client:
        await _sign_in(client, WRITE_TOKEN)
        answer = await client.put("/api/thing", headers=JSON)
    assert answer.json()["code"] == "wrong_origin"


async def test_a_session_ends_at_sign_out_and_after_twelve_hours() -> None:
    """Revocable, and never longer than a working day."""
    site = _site()
    async with site.client() as client, site.client() as other:
        await _sign_in(client, READ_TOKEN)
        await _sign_in(other, READ_TOKEN)
        stolen = client.cookies[COOKIE]
        left = await client.request("DELETE", "/api/session", headers={**JSON, "origin": ORIGIN})
        assert left.status_code == 200
        again = await client.get("/api/data", headers={"cookie": f"{COOKIE}={stolen}"})
        assert again.status_code == 401
        assert (await other.get("/api/data")).status_code == 200
        site.clock.advance(12 * 3_600_000)
        assert (await other.get("/api/data")).status_code == 401


def test_a_changed_token_ends_the_sessions_that_began_with_the_old_one() -> None:
    """Rotating is enough."""
    one, two = _site(), guarded(read=READ_TOKEN, write=WRITE_TOKEN[::-1])
    cookie, _ = one.gate.sessions.begin("write token", write=True)
    assert one.gate.sessions.find(cookie) is not None
    assert two.gate.sessions.find(cookie) is None


def test_a_cookie_that_is_touched_is_nobodys() -> None:
    """Its signature covers all of it."""
    sessions = Sessions(b"k" * 32, 1_000, FakeClock(), RevokedHere())
    cookie, _ = sessions.begin("read token", write=False)
    forged = [cookie[:i] + ("A" if cookie[i] != "A" else "B") + cookie[i + 1 :] for i in range(20)]
    assert sessions.find(cookie) is not None
    assert [
        each for each in (*forged, "", "x", cookie[:-1], "a" * 600) if sessions.find(each)
    ] == []


async def test_five_wrong_tries_lock_the_address_out_even_with_the_right_password() -> None:
    """And no other address; the lock doubles, and ends."""
    site = _site()
    async with site.client("192.0.2.1") as wrong, site.client("192.0.2.2") as right:
        statuses = [(await _sign_in(wrong, f"guess {n}")).status_code for n in range(7)]
        assert statuses == [401] * 5 + [429] * 2
        locked = await _sign_in(wrong, PASSWORD)
        assert (locked.status_code, locked.json()["code"]) == (429, "locked")
        assert int(locked.headers["retry-after"]) == 60
        assert (await _sign_in(right, PASSWORD)).status_code == 200
        site.clock.advance(60_000)
        assert (await _sign_in(wrong, "guess")).status_code == 401
        assert int((await _sign_in(wrong, PASSWORD)).headers["retry-after"]) == 120
        site.clock.advance(120_000)
        assert (await _sign_in(wrong, PASSWORD)).status_code == 200


async def test_wrong_tokens_are_locked_out_and_a_right_one_beside_them_is_not() -> None:
    """An old token in some script must not shut out the new one."""
    site = _site()
    async with site.client("192.0.2.1") as client:
        statuses = [
            (await client.get("/api/data", headers=bearer("x" * 43))).status_code for _ in range(7)
        ]
        assert statuses == [401] * 5 + [429] * 2
        assert (await client.get("/api/data", headers=bearer(READ_TOKEN))).status_code == 200
        assert (await _sign_in(client, PASSWORD)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"secret": 5}', b'{"secret": ""}', b'{"sekret": "abcdef-canary"}', b"\xff"],
)
async def test_a_sign_in_that_is_none_is_refused_without_an_echo(body: bytes) -> None:
    """422, and nothing of what was sent."""
    site = _site()
    async with site.client() as client:
        answer = await client.post("/api/session", headers={**JSON, "origin": ORIGIN}, content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "canary" not in answer.text


async def test_the_session_says_what_may_be_done() -> None:
    """What the sign-in page asks first."""
    site = _site()
    async with site.client() as client:
        asked = (await client.get("/api/session")).json()
        assert (asked["read"], asked["write"], asked["can_sign_in"]) == (False, False, True)
        await _sign_in(client, PASSWORD)
        asked = (await client.get("/api/session")).json()
        assert (asked["read"], asked["write"], asked["signed_in"]) == (True, True, True)
        assert asked["until"].endswith("Z")


def test_a_lock_grows_to_an_hour_and_is_forgotten_after_a_quiet_day() -> None:
    """1, 2, 4, ... minutes; a /64 of IPv6 is one address."""
    clock = FakeClock()
    lockout = Lockout(clock)
    for number in range(4):
        assert lockout.fail(f"2001:db8::{number}") == 0
    locks = []
    for _ in range(9):
        locks.append(lockout.fail("2001:db8::ffff") // 60_000)
        clock.advance(lockout.locked_ms("2001:db8::1"))
    assert locks == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert max(locks) * 60_000 == LONGEST_LOCK_MS
    clock.advance(25 * 3_600_000)
    assert lockout.fail("2001:db8::1") == 0
