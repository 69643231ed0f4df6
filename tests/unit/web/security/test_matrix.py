"""Origin x Host x method: which combinations may change something, and which may only read."""

import itertools

import pytest

from support.guarded import HOST, JSON, ORIGIN, READ_TOKEN, WRITE_TOKEN, bearer, guarded

ORIGINS = (
    None,
    ORIGIN,
    "http://127.0.0.1:9999",
    "https://127.0.0.1:8003",
    "http://evil.example",
    "null",
)
HOSTS = (HOST, "evil.example:8003")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
MATRIX = tuple(itertools.product(ORIGINS, HOSTS, METHODS))


def test_the_matrix_has_sixty_cases() -> None:
    """So many were promised."""
    assert len(MATRIX) == 60


@pytest.mark.parametrize(("origin", "host", "method"), MATRIX)
async def test_only_our_own_pages_and_programs_change_something(
    origin: str | None, host: str, method: str
) -> None:
    """Promise S7: a foreign Origin or Host changes nothing, on the loopback neither."""
    site = guarded(write=WRITE_TOKEN)
    headers = {"host": host, **JSON, **bearer(WRITE_TOKEN)}
    if origin is not None:
        headers["origin"] = origin
    path = "/api/data" if method == "GET" else "/api/thing"
    async with site.client() as client:
        body = None if method == "GET" else b"{}"
        answer = await client.request(method, path, headers=headers, content=body)
    if host != HOST:
        assert answer.status_code == 400
    elif method == "GET" or origin in {None, ORIGIN}:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_origin")
    changed = [row for row in site.audit.rows if row.entry.outcome == "200"]
    assert bool(changed) == (answer.status_code == 200 and method != "GET")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("site_header", ["cross-site", "same-site", "none", "nonsense"])
async def test_a_browser_that_says_it_comes_from_elsewhere_changes_nothing(
    site_header: str,
) -> None:
    """Sec-Fetch-Site counts even where the Origin is forged to fit."""
    site = guarded(write=WRITE_TOKEN)
    headers = {**JSON, **bearer(WRITE_TOKEN), "origin": ORIGIN, "sec-fetch-site": site_header}
    async with site.client() as client:
        answer = await client.put("/api/thing", headers=headers, content=b"{}")
    assert answer.json()["code"] == "wrong_origin"


@pytest.mark.parametrize(
    ("left_out", "code"),
    [("x-virtuoso", "header_missing"), ("content-type", "not_json"), ("authorization", "sign_in")],
)
async def test_a_change_needs_header_json_and_token(left_out: str, code: str) -> None:
    """Each of them is missed by name."""
    site = guarded(read=READ_TOKEN, write=WRITE_TOKEN)
    headers = {**JSON, **bearer(WRITE_TOKEN), "origin": ORIGIN}
    del headers[left_out]
    async with site.client() as client:
        answer = await client.put("/api/thing", headers=headers, content=b"{}")
    assert answer.json()["code"] == code
    assert site.audit.rows == []


async def test_the_read_token_changes_nothing() -> None:
    """Scopes are apart."""
    site = guarded(read=READ_TOKEN, write=WRITE_TOKEN)
    async with site.client() as client:
        headers = {**JSON, **bearer(READ_TOKEN), "origin": ORIGIN}
        answer = await client.put("/api/thing", headers=headers, content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == (403, "read_only")
        assert (await client.get("/api/data", headers=bearer(READ_TOKEN))).status_code == 200


async def test_without_tokens_reading_is_open_here_and_writing_off() -> None:
    """The default: this computer reads."""
    site = guarded()
    async with site.client() as client:
        assert (await client.get("/api/data")).json()["actor"] == "anybody here"
        assert (await client.get("/docs")).status_code == 200
        answer = await client.put("/api/thing", headers={**JSON, "origin": ORIGIN}, content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (403, "writes_off")


async def test_a_request_nobody_answers_is_told_so_and_not_asked_for_a_token() -> None:
    """405 and 404 stay what they are: there is nothing behind them to protect."""
    site = guarded(read=READ_TOKEN, write=WRITE_TOKEN)
    async with site.client() as client:
        assert (await client.post("/api/data", content=b"{}")).status_code == 405
        assert (await client.post("/nowhere", content=b"{}")).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/health/live", 200),
        ("/api/session", 200),
        ("/health", 401),
        ("/metrics", 401),
        ("/docs", 401),
        ("/api/data", 401),
        ("/assets/app.js", 404),
        ("/api/app.js", 401),
    ],
)
async def test_without_a_token_only_the_pages_own_files_and_live_are_served(
    path: str, status: int
) -> None:
    """Promise S20, from elsewhere and from here alike once a token is configured."""
    site = guarded(read=READ_TOKEN)
    for address in ("127.0.0.1", "192.0.2.7"):
        async with site.client(address) as client:
            assert (await client.get(path)).status_code == status


async def test_nothing_is_changed_that_cannot_be_written_down() -> None:
    """No change without its row."""
    site = guarded(write=WRITE_TOKEN)
    site.audit.broken = True
    async with site.client() as client:
        headers = {**JSON, **bearer(WRITE_TOKEN)}
        answer = await client.put("/api/thing", headers=headers, content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_written_down")


async def test_a_change_is_written_down_before_and_after_without_its_token() -> None:
    """Who, from where, what, and what became of it."""
    site = guarded(write=WRITE_TOKEN)
    async with site.client() as client:
        await client.put("/api/thing", headers={**JSON, **bearer(WRITE_TOKEN)}, content=b"{}")
    assert [(row.entry.action, row.entry.outcome) for row in site.audit.rows] == [
        ("PUT /api/thing", "asked"),
        ("PUT /api/thing", "200"),
    ]
    assert WRITE_TOKEN not in repr(site.audit.rows)
    assert WRITE_TOKEN[-4:] in site.audit.rows[0].entry.actor


async def test_changes_of_one_address_are_limited() -> None:
    """Thirty a minute."""
    site = guarded(write=WRITE_TOKEN)
    async with site.client() as client:
        statuses = [
            (await client.put("/api/thing", headers={**JSON, **bearer(WRITE_TOKEN)})).status_code
            for _ in range(31)
        ]
    assert statuses[:30] == [200] * 30
    assert statuses[30] == 429


@pytest.mark.parametrize("query", ["token=abc", "x=1&access_token=abc", "PASSWORD=x"])
async def test_a_token_in_an_address_is_refused_and_not_repeated(query: str) -> None:
    """Addresses stand in logs and histories."""
    site = guarded()
    async with site.client() as client:
        answer = await client.get(f"/api/data?{query}")
    assert answer.json()["code"] == "token_in_url"
    assert "abc" not in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-length": "65537"}, 413),
        ({"content-length": "-1"}, 413),
        ({"content-length": "9" * 5_000}, 413),
        ({"transfer-encoding": "chunked"}, 411),
    ],
)
async def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    headers: dict[str, str], status: int
) -> None:
    """Also on the monitor, whose app does not look at bodies."""
    site = guarded()
    async with site.client() as client:
        answer = await client.get("/api/data", headers=headers)
    assert answer.status_code == status


async def test_every_answer_carries_the_policy_of_the_page() -> None:
    """Refusals, data and 404 alike; and nothing says what the server is made of."""
    site = guarded(read=READ_TOKEN)
    async with site.client() as client:
        answers = [
            await client.get(path, headers=headers)
            for path in ("/", "/api/data", "/nowhere", "/api/session")
            for headers in ({}, bearer(READ_TOKEN), {"host": "evil.example"})
        ]
    for answer in answers:
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in answer.headers
