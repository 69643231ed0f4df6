"""What phones and desks get: sizes, compression, lives, and nothing that is not true."""

from typing import Any

import msgspec
import pytest

from virtuoso.testing import wire_messages as make
from virtuoso.web.answers import Answer
from virtuoso.web.delivery import (
    DESKTOP,
    MOBILE,
    Delivery,
    Device,
    asked_encoding,
    device_of,
    fitted,
)
from virtuoso.wire import keys
from virtuoso.wire.documents import etag_of
from virtuoso.wire.messages import to_json

PHONE = b"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148 Safari/604.1"
DESK = b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36"


def a_document(key: str, symbols: int) -> bytes:
    """A document of so many symbols, each with a score and all that it is made of."""
    names = tuple(f"S{number}USDT" for number in range(symbols))
    rows = [
        make.a_row(number, score=20 + (7 * number) % 60, price=100.0 + number)
        for number in range(symbols)
    ]
    board = make.a_board(symbols=names, rows=rows)
    made: dict[str, Any] = {
        keys.SYMBOLS: make.symbols_document,
        keys.MOBILE: make.mobile_document,
    }
    document = decoded(to_json(made[key](board)))
    if "top_movers" in document:
        movers = {name: each[:5] for name, each in document["top_movers"].items()}
        document["top_movers"] = movers
        document["gainers"] = document["top_gainers"] = movers["gainers"]
        document["losers"] = movers["losers"]
    if key == keys.MOBILE:
        document["confluence_scores"] = document["top_symbols"] = document["symbols"]
    for record in document["symbols"]:
        lenses = dict.fromkeys(("order_flow", "liquidity", "smart_money"))
        record["dimensions"] = lenses | {"sentiment": 75.3}
        absent = {"state": "absent", "as_of": None, "reason": "warming_up", "basis": None}
        record["quality"] |= {f"dimensions.{name}": absent for name in lenses}
    return msgspec.json.encode(document)


def an_answer(body: bytes, status: int = 200) -> Answer:
    """As the snapshot makes it."""
    return Answer(
        body, "application/json", cache_control="no-cache", etag=etag_of(body), status=status
    )


def decoded(body: bytes) -> dict[str, Any]:
    """The document in a body."""
    return msgspec.json.decode(body, type=dict[str, Any])


@pytest.mark.parametrize(
    ("agent", "hint", "device"),
    [
        (PHONE, b"", MOBILE),
        (DESK, b"", DESKTOP),
        (b"Mozilla/5.0 (Linux; Android 14; Pixel 8)", b"", MOBILE),
        (DESK, b"?1", MOBILE),
        (PHONE, b"?0", DESKTOP),
        (b"curl/8.5.0", b"", DESKTOP),
        (b"", b"", DESKTOP),
        (b"\xff\xfe", b"yes", DESKTOP),
    ],
)
def test_the_device_is_told_by_the_hint_and_else_by_the_agent(
    agent: bytes, hint: bytes, device: Device
) -> None:
    """What nobody knows is a desk, which gets everything."""
    assert device_of(agent, hint) is device


@pytest.mark.parametrize("symbols", [10, 30, 100, 500])
def test_a_phone_gets_at_most_50_kb_with_ten_symbols_and_their_components(symbols: int) -> None:
    """Every alias equals what it aliases, the strongest stay first, and the cut is named."""
    whole = a_document(keys.MOBILE, symbols)
    answer = Delivery().fit(keys.MOBILE, an_answer(whole), MOBILE)
    assert len(answer.body) <= MOBILE.most_bytes
    document, before = decoded(answer.body), decoded(whole)
    records = document["confluence_scores"]
    assert len(records) >= 10
    assert all(any(each["components"].values()) for each in records)
    assert document["symbols"] == document["top_symbols"] == records
    assert len({each["symbol"] for each in records}) == len(records)
    assert document["top_gainers"] == document["gainers"] == document["top_movers"]["gainers"]
    assert document["losers"] == document["top_movers"]["losers"]
    assert document["truncated"] == (len(whole) > MOBILE.most_bytes)
    assert document.keys() == before.keys()
    for cut, full in zip(records, before["confluence_scores"], strict=False):
        assert {**full, "quality": None, "dimensions": None} == {
            **cut,
            "quality": None,
            "dimensions": None,
        }


@pytest.mark.parametrize("key", [keys.SYMBOLS, keys.MOBILE])
def test_no_reason_is_left_out_however_small_it_must_be(key: str) -> None:
    """A null without its reason would be an invented silence."""
    small = decoded(fitted(key, a_document(key, 60), 9_000))
    whole = {each["symbol"]: each for each in decoded(a_document(key, 60))["symbols"]}
    assert small["truncated"] is True
    for record in small["symbols"]:
        full = whole[record["symbol"]]
        assert record["reason"] == full["reason"]
        missing = [name for name, value in record.items() if value is None and name != "reason"]
        missing += [f"components.{name}" for name, each in record["components"].items() if not each]
        expected = {name for name in missing if full["quality"].get(name)}
        assert expected <= record["quality"].keys()
        assert all(record["quality"][name]["reason"] for name in expected)


def test_a_desk_gets_the_published_bytes_up_to_500_kb() -> None:
    """The same validator as everywhere; only beyond that it is cut too."""
    delivery = Delivery()
    body = a_document(keys.SYMBOLS, 100)
    answer = delivery.fit(keys.SYMBOLS, an_answer(body), DESKTOP)
    assert (answer.body, answer.etag) == (body, etag_of(body).encode())
    huge = delivery.fit(keys.SYMBOLS, an_answer(a_document(keys.SYMBOLS, 1_500)), DESKTOP)
    assert len(huge.body) <= DESKTOP.most_bytes
    assert decoded(huge.body)["truncated"] is True
    assert delivery.cut == 1


def test_one_cut_serves_all_until_the_document_changes() -> None:
    """An error is never dressed."""
    delivery = Delivery()
    whole = an_answer(a_document(keys.MOBILE, 60))
    first = delivery.fit(keys.MOBILE, whole, MOBILE)
    assert delivery.fit(keys.MOBILE, whole, MOBILE) is first
    assert delivery.fit(keys.MOBILE, an_answer(whole.body), MOBILE) is not first
    refused = an_answer(b"{}", 503)
    assert delivery.fit(keys.MOBILE, refused, MOBILE) is refused


@pytest.mark.parametrize(
    ("accepted", "device", "encoding"),
    [
        (None, MOBILE, b"gzip"),
        (None, DESKTOP, b""),
        (b"gzip, br", DESKTOP, b"gzip"),
        (b"identity", MOBILE, b""),
        (b"gzip;q=0", MOBILE, b""),
    ],
)
def test_what_a_client_says_it_takes_comes_before_the_policy(
    accepted: bytes | None, device: Device, encoding: bytes
) -> None:
    """Phones that say nothing get gzip, desks only when they ask; Vary names what it hangs on."""
    answer = Delivery().fit(keys.MOBILE, an_answer(a_document(keys.MOBILE, 20)), device)
    status, headers, body = answer.choose(asked_encoding(accepted, device), b"")
    assert status == 200
    assert dict(headers).get(b"content-encoding", b"") == encoding
    assert (b"content-length", b"%d" % len(body)) in headers
    vary = {value for name, value in headers if name == b"vary"}
    assert vary == {b"accept-encoding", b"sec-ch-ua-mobile, user-agent"}
    control = dict(headers)[b"cache-control"]
    assert control == b"private, max-age=0, stale-if-error=%d" % device.life_s
    tag = dict(headers)[b"etag"]
    assert answer.choose(asked_encoding(accepted, device), tag)[0] == 304
