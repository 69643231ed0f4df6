"""Hosts and origins."""

import pytest

from virtuoso.web.guard import allowed_names, host_name, is_loopback, origin_allowed


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"LocalHost:8003", b"localhost"),
        (b"127.0.0.1", b"127.0.0.1"),
        (b"[::1]:8003", b"[::1]"),
        (b"[::1]", b"[::1]"),
        (b"[::1", b"[::1"),
        (b":8003", b":8003"),
        (b"", b""),
    ],
)
def test_a_host_is_judged_without_its_port(host: bytes, name: bytes) -> None:
    """What cannot be a host stays what it is, and matches nothing."""
    assert host_name(host) == name


def test_the_loopback_names_are_always_allowed() -> None:
    """Configured ones come to them."""
    assert allowed_names(["Board.Example", ""]) == {
        b"localhost",
        b"127.0.0.1",
        b"[::1]",
        b"board.example",
    }


def test_a_program_without_an_origin_is_allowed_from_this_computer_only() -> None:
    """Browsers always send one."""
    assert origin_allowed(b"", b"board.example", "127.0.0.1")
    assert origin_allowed(b"", b"board.example", "::1")
    assert origin_allowed(b"", b"board.example", "")
    assert not origin_allowed(b"", b"board.example", "192.0.2.7")
    assert not is_loopback("nonsense")


def test_an_origin_must_be_the_host_that_was_called() -> None:
    """From any address."""
    assert origin_allowed(b"https://Board.Example", b"board.example", "192.0.2.7")
    assert not origin_allowed(b"https://board.example.evil", b"board.example", "192.0.2.7")
    assert not origin_allowed(b"http://", b"", "127.0.0.1")
