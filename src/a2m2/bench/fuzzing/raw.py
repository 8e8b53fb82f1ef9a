"""Damage that knows nothing of formats: bits, cuts, splices, and bytes that readers are known to stumble over."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Mutator = Callable[[bytes, random.Random], bytes]
"""One input from a good file; the same for the same state of the generator."""

SPECIALS = (
    b"\0",
    b"\xff",
    b"\xff" * 8,
    b"\x7f" + b"\xff" * 7,
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r",
    b"\x85",
    "\u2028²".encode(),
    b"9" * 25,
    b"9" * 5000,
    b"-1",
    b"1e999",
    b"NaN",
    b"-Infinity",
    b"\\ud800",
    b"[" * 5000,
    b'{"a":' * 2000,
    b"../" * 40,
    b"/" * 300,
    b" " * 70_000,
    b'"',
    b"'",
    b",",
    b":",
    b"{}",
)
_DIGITS = re.compile(rb"-?\d+")
_MAX_BYTES = 1 << 20
"""Longer results are cut: limits on size have tests of their own."""


def damage(data: bytes, dice: random.Random) -> bytes:
    """One to four changes at random places."""
    for _ in range(dice.choice((1, 1, 2, 4))):
        data = dice.choice(_CHANGES)(data, dice)
    return data[:_MAX_BYTES]


def _flip(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(dice.choice((1, 1, 3, 16))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _overwrite(data: bytes, dice: random.Random) -> bytes:
    start, _ = _stretch(data, dice)
    new = dice.choice(SPECIALS[:4]) if dice.random() < 0.5 else dice.randbytes(dice.choice((1, 2, 4, 8)))
    return data[:start] + new + data[start + len(new) :]


def _cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def _drop(data: bytes, dice: random.Random) -> bytes:
    start, end = _stretch(data, dice)
    return data[:start] + data[end:]


def _insert(data: bytes, dice: random.Random) -> bytes:
    start, _ = _stretch(data, dice)
    return data[:start] + dice.choice(SPECIALS) + data[start:]


def _splice(data: bytes, dice: random.Random) -> bytes:
    start, end = _stretch(data, dice)
    place, _ = _stretch(data, dice)
    return data[:place] + data[start:end] + data[place:]


def _repeat(data: bytes, dice: random.Random) -> bytes:
    start, end = _stretch(data, dice)
    piece = data[start : min(end, start + 64)]
    return data[:end] + piece * dice.choice((2, 50, 1000)) + data[end:]


def _renumber(data: bytes, dice: random.Random) -> bytes:
    found = list(_DIGITS.finditer(data[: 64 << 10]))
    if not found:
        return _insert(data, dice)
    number = dice.choice(found)
    other = dice.choice(
        (b"-1", b"0", b"1", b"65536", b"2147483648", b"9223372036854775808", b"1e308", b"NaN")
    )
    return data[: number.start()] + other + data[number.end() :]


def _stretch(data: bytes, dice: random.Random) -> tuple[int, int]:
    start = dice.randrange(len(data) + 1)
    return start, min(len(data), start + dice.choice((1, 4, 32, 256)))


_CHANGES: tuple[Mutator, ...] = (_flip, _overwrite, _cut, _drop, _insert, _splice, _repeat, _renumber)
