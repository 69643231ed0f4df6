"""`docs/websocket.md` says what the code does: every message, field, code and limit."""

import re
from pathlib import Path
from typing import get_args

import pytest

from virtuoso.web.options import WebOptions
from virtuoso.web.server import PING_S, SOCKET_BUFFER_BYTES
from virtuoso.web.socket.alerts import MESSAGES_KEPT
from virtuoso.web.socket.client import HOLD_BYTES
from virtuoso.web.socket.conversation import Close, ErrorCode
from virtuoso.web.socket.hub import PATIENCE, REMIND_BEATS
from virtuoso.wire.client import ClientMessage, Resume, ServerMessage, SocketLimits
from virtuoso.wire.pushes import Alert

PAGE = (Path(__file__).parents[3] / "docs" / "websocket.md").read_text("utf-8")
MESSAGES = {
    kind.__struct_config__.tag: kind
    for kind in (*get_args(ClientMessage), *get_args(ServerMessage))
}


def section(head: str) -> str:
    """The text under a heading, to the next one."""
    [found] = re.findall(rf"^#+ {re.escape(head)}\n(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


def first_cells(text: str) -> list[str]:
    """The first cell of each row of the tables in a text."""
    cells = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    return [cell for cell in cells if cell not in {"field", "code", "limit"}]


def named(cells: list[str]) -> set[str]:
    """What stands in backticks."""
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_message_has_its_section_and_nothing_else_has() -> None:
    """A new message is written down, a removed one is taken out."""
    assert set(re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE)) == set(MESSAGES)


@pytest.mark.parametrize("tag", sorted(MESSAGES))
def test_every_field_of_a_message_is_named(tag: str) -> None:
    """Exactly the fields of the struct, in the first column."""
    assert named(first_cells(section(f"`{tag}`"))) == set(MESSAGES[tag].__struct_fields__)


def test_the_parts_inside_messages_are_named() -> None:
    """What a client must fill in, and what an alert is made of."""
    assert "| `resume` | `epoch`, `seq`, `alerts` |" in PAGE
    assert Resume.__struct_fields__ == ("epoch", "seq", "alerts")
    [alert] = re.findall(r"^\| `alert` \| \| (.*?);", PAGE, re.MULTILINE)
    assert re.findall(r"`(\w+)`", alert) == list(Alert.__struct_fields__)


def test_every_code_is_there() -> None:
    """Error codes are those of the code; close codes too, with those that a library sends."""
    codes = {value for name, value in vars(ErrorCode).items() if name.isupper()}
    assert named(first_cells(section("Error codes"))) == codes
    closes = {int(cell) for cell in first_cells(section("Close codes"))}
    assert closes == {*map(int, Close), 1011, 4401}


def test_every_limit_has_the_value_in_force() -> None:
    """The defaults of the options, by the names that `hello` uses."""
    ours = WebOptions()
    limits = section("Limits")
    values = {
        "message_bytes": ours.max_message_bytes,
        "messages_per_second": ours.max_messages_per_second,
        "symbols": ours.max_symbols,
        "details": ours.max_details,
        "waiting_bytes": ours.max_waiting_bytes,
        "send_deadline_ms": round(1_000 * ours.send_deadline_s),
    }
    assert set(values) == set(SocketLimits.__struct_fields__)
    for name, value in values.items():
        [row] = [line for line in limits.splitlines() if f"`{name}`" in line]
        assert re.search(rf"\b{value}\b", row), name
    assert f"| clients | {ours.max_clients}, settable |" in limits
    assert f"| clients of one address | {ours.max_clients_per_ip}, settable |" in limits
    assert f"each {PING_S:g} s" in limits
    assert f"{SOCKET_BUFFER_BYTES // 1024} KB in the kernel" in limits
    assert f"the last {MESSAGES_KEPT} at most" in PAGE
    assert f"more than {HOLD_BYTES // 1024} KB wait" in PAGE
    assert f"{PATIENCE * ours.send_deadline_s:g} s" in PAGE
    assert REMIND_BEATS == 5
    assert {4.0, 1.0} <= set(ours.rhythms)
