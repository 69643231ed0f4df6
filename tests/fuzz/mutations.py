"""What is done to a frame, and to a row of frames. The same seed does the same."""

import random
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final, TypeVar

_VALUE: Final = re.compile(rb'"(?:[^"\\]|\\.)*"(?!\s*:)|-?\d[\d.eE+-]*|true|false|null')
_BRACKET: Final = re.compile(rb"[][{}]")
_DIGIT: Final = re.compile(rb"\d")
_KEY: Final = re.compile(rb'"(?:[^"\\]|\\.)*"(?=\s*:)')
_INSTEAD: Final = (
    b"null",
    b"true",
    b"0",
    b"-1",
    b"-0",
    b"1",
    b"1e999",
    b"-1e999",
    b"1e-320",
    b"1e14",
    b"1e15",
    b"1.5",
    b"NaN",
    b"99999999999999999999999999999999",
    b"9223372036854775808",
    b"1763700000000",
    b'""',
    b'"0"',
    b'"-1"',
    b'"NaN"',
    b'"nan"',
    b'"Infinity"',
    b'"-inf"',
    b'"1e999"',
    b'"1e400"',
    b'"1_000"',
    b'" 7 "',
    b'"0x10"',
    b'"abc"',
    b'"\\ud800"',
    b'"\xff\xfe"',
    b'"' + b"9" * 400 + b'"',
    b'"' + b"9" * 5_000 + b'"',
    b"{}",
    b"[]",
    b"[[]]",
    b"[null]",
    b'{"p":1}',
    b"[" * 3_000 + b"]" * 3_000,
    b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
)

T = TypeVar("T")


class Subject:
    """A frame with the places at which something can be done to it, each found once."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    @cached_property
    def values(self) -> list[tuple[int, int]]:
        """Where strings, numbers and words stand that are no keys."""
        return [match.span() for match in _VALUE.finditer(self.body)]

    @cached_property
    def keys(self) -> list[tuple[int, int]]:
        """Where keys stand."""
        return [match.span() for match in _KEY.finditer(self.body)]

    @cached_property
    def containers(self) -> list[tuple[int, int]]:
        """Where lists and objects stand, from bracket to bracket."""
        found, open_at = [], []
        for match in _BRACKET.finditer(self.body):
            if match[0] in b"[{":
                open_at.append(match.start())
            elif open_at:
                found.append((open_at.pop(), match.end()))
        return found

    @cached_property
    def digits(self) -> list[int]:
        """Where digits stand."""
        return [match.start() for match in _DIGIT.finditer(self.body)]

    def replaced(self, place: tuple[int, int], instead: bytes) -> bytes:
        """The frame with something else in one place."""
        return self.body[: place[0]] + instead + self.body[place[1] :]

    def at(self, place: tuple[int, int]) -> bytes:
        """What stands in a place."""
        return self.body[place[0] : place[1]]


Mutation = Callable[[Subject, random.Random], bytes]


def _cut(subject: Subject, draw: random.Random) -> bytes:
    return subject.body[: draw.randrange(len(subject.body) + 1)]


def _double(subject: Subject, _draw: random.Random) -> bytes:
    return subject.body + subject.body


def _flip(subject: Subject, draw: random.Random) -> bytes:
    spoiled = bytearray(subject.body)
    for _ in range(draw.randrange(1, 5)):
        if spoiled:
            spoiled[draw.randrange(len(spoiled))] ^= 1 << draw.randrange(8)
    return bytes(spoiled)


def _digit(subject: Subject, draw: random.Random) -> bytes:
    """Change one digit: the frame stays well-formed, and tells something else."""
    if not subject.digits:
        return subject.body
    at = draw.choice(subject.digits)
    return subject.replaced((at, at + 1), b"%d" % draw.randrange(10))


def _drop_slice(subject: Subject, draw: random.Random) -> bytes:
    first, last = sorted(draw.randrange(len(subject.body) + 1) for _ in range(2))
    return subject.replaced((first, last), b"")


def _swap_slices(subject: Subject, draw: random.Random) -> bytes:
    body = subject.body
    a, b, c = sorted(draw.randrange(len(body) + 1) for _ in range(3))
    return body[:a] + body[b:c] + body[a:b] + body[c:]


def _replace_value(subject: Subject, draw: random.Random) -> bytes:
    if not subject.values:
        return subject.body
    return subject.replaced(draw.choice(subject.values), draw.choice(_INSTEAD))


def _replace_key(subject: Subject, draw: random.Random) -> bytes:
    if not subject.keys:
        return subject.body
    return subject.replaced(draw.choice(subject.keys), subject.at(draw.choice(subject.keys)))


def _move_value(subject: Subject, draw: random.Random) -> bytes:
    """Put one value of the frame where another one was."""
    if not subject.values:
        return subject.body
    return subject.replaced(draw.choice(subject.values), subject.at(draw.choice(subject.values)))


def _replace_container(subject: Subject, draw: random.Random) -> bytes:
    if not subject.containers:
        return subject.body
    return subject.replaced(draw.choice(subject.containers), draw.choice(_INSTEAD))


def _move_container(subject: Subject, draw: random.Random) -> bytes:
    if not subject.containers:
        return subject.body
    other = subject.at(draw.choice(subject.containers))
    return subject.replaced(draw.choice(subject.containers), other)


MUTATIONS: Final[Sequence[Mutation]] = (
    _cut,
    _double,
    _flip,
    _digit,
    _drop_slice,
    _swap_slices,
    _replace_value,
    _replace_value,
    _replace_value,
    _replace_key,
    _move_value,
    _replace_container,
    _move_container,
)
"""All of them; the one that finds the most stands there more than once."""

BREAKING: Final[Sequence[Mutation]] = (_cut, _double)
"""What no reader can take for another frame."""


def spoil(subject: Subject, draw: random.Random) -> bytes:
    """Do one of them, now and then two."""
    spoiled = draw.choice(MUTATIONS)(subject, draw)
    return _flip(Subject(spoiled), draw) if draw.random() < 0.1 else spoiled


def disorder(row: Sequence[T], draw: random.Random, share: float) -> list[T]:
    """Lose, repeat and move some of a row of frames."""
    given: list[T] = []
    for each in row:
        chance = draw.random()
        if chance < share / 3:
            continue
        given.append(each)
        if chance > 1 - share / 3:
            given.append(each)
    if len(given) > 1 and draw.random() < share:
        given.insert(draw.randrange(len(given)), given.pop())
    return given
