"""Damage to documents: JSON, lines of JSON, YAML, and tables and lists of text, changed where their readers look."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from a2m2.bench.fuzzing.raw import damage

_RAW = "\ue000raw{}\ue000"
"""Stands for text that no value has; a private letter marks it."""
_RAW_TEXTS = (
    "9" * 5000,
    "-" + "9" * 30,
    "1e999",
    "NaN",
    "-Infinity",
    "[" * 3000,
    "[" * 200 + "]" * 200,
    '{"a":' * 40 + "1" + "}" * 40,
    '{"a": 1, "a": 2}',
    '"\\ud800"',
    "",
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    1000,
    10**6,
    2**31,
    2**63 - 1,
    2**63,
    -(2**63),
    10**30,
    0.5,
    -0.0,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\0",
    "\ud800",
    "²",
    "x" * 5000,
    "../../etc/passwd",
    "/dev/zero",
    "os:system",
    "{seed}",
    "1",
    [],
    {},
    [[]],
    [None] * 3,
    {"": None},
    {"x": {"x": {}}},
    list(range(1000)),
)


def damage_json(data: bytes, dice: random.Random) -> bytes:
    """A JSON document with some of its values changed, or damaged as bytes."""
    if dice.random() < 0.3:
        return damage(data, dice)
    text = _dump(changed(json.loads(data), dice), dice)
    return _perhaps_damaged(text.encode("utf-8", "surrogatepass"), dice)


def damage_json_lines(data: bytes, dice: random.Random) -> bytes:
    """Lines of JSON, one of them changed, or lines doubled, dropped, swapped."""
    if dice.random() < 0.3:
        return damage(data, dice)
    lines = [line for line in data.splitlines() if line]
    place = dice.randrange(len(lines))
    kind = dice.random()
    if kind < 0.7:
        value = changed(json.loads(lines[place]), dice)
        lines[place] = _dump(value, dice, indent=None).encode("utf-8", "surrogatepass")
    elif kind < 0.8:
        lines.insert(place, dice.choice(lines))
    elif kind < 0.9:
        del lines[place]
    else:
        lines[place], lines[0] = lines[0], lines[place]
    return _perhaps_damaged(b"\n".join(lines), dice)


_YAML_LINES = (
    "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]",
    "base: &base {a: 1}",
    "more: {<<: {a: 1}}",
    "<<: [{a: 1}, {b: 2}]",
    "x: !!python/object/apply:os.system [true]",
    "x: !!binary aGVsbG8=",
    "x: !!set {a, b}",
    "x: !!timestamp 2001-01-01",
    "x: 2001-01-01",
    "x: 1:30:59",
    "x: 0b" + "1" * 90,
    "x: 0x" + "f" * 90,
    "x: " + "9" * 5000,
    "x: .nan",
    "? [a, b]\n: 1",
    "? {a: b}\n: 1",
    "? !!null\n: 1",
    "1: 2",
    "true: 2",
    "---\na: 1",
    "%YAML 1.2\n---",
    "x: |\n  text\n more",
    "\tx: 1",
    "x: " + "[" * 2000,
    "x: " + "{a: " * 100,
    "- " * 500,
    "x: '",
    'x: "\\uD800"',
    "methods: ['os:system']",
    "method: os:system",
)


def damage_yaml(data: bytes, dice: random.Random) -> bytes:
    """A YAML document with values changed, or with lines that ask for what YAML can do."""
    kind = dice.random()
    if kind < 0.3:
        return damage(data, dice)
    if kind < 0.5:
        lines = data.decode().splitlines()
        lines.insert(dice.randrange(len(lines) + 1), dice.choice(_YAML_LINES))
        return _perhaps_damaged("\n".join(lines).encode("utf-8", "surrogatepass"), dice)
    value = changed(_loaded_yaml(data), dice)
    # JSON is YAML, but for numbers such as 1e308, which YAML takes for text.
    text = _dump(value, dice, indent=dice.choice((None, 1)))
    return _perhaps_damaged(text.encode("utf-8", "surrogatepass"), dice)


_loaded_yaml = cache(yaml.safe_load)
"""Of the few good files; what is made of them is changed in copies."""

_CELLS = (
    "",
    " ",
    "²",
    "-1",
    "9" * 30,
    "9" * 5000,
    "x" * 200_000,
    '"',
    '"a\nb"',
    'a"b',
    "a,b",
    "a/b/c",
    "//",
    "../../x.mp4",
    "/dev/zero",
    "/etc",
    "train",
    "test",
    "train8",
    "a\0b",
    "\u2028",
    "name\u00a03",
    "é" * 300,
    "x/" * 2000,
)


def damage_table(data: bytes, dice: random.Random) -> bytes:
    """A table or a list of text: cells, separators, lines and line ends changed."""
    if dice.random() < 0.3:
        return damage(data, dice)
    lines = data.decode().split("\n")
    for _ in range(dice.choice((1, 1, 3))):
        place = dice.randrange(len(lines))
        mark = dice.choice(",/ ;\t")
        cells = lines[place].split(mark)
        kind = dice.random()
        if kind < 0.5:
            cells[dice.randrange(len(cells))] = dice.choice(_CELLS)
        elif kind < 0.7:
            cells.insert(dice.randrange(len(cells) + 1), dice.choice(_CELLS))
        elif kind < 0.8:
            cells.pop()
        lines[place] = dice.choice((mark, mark, ",", "\t", ";", "//")).join(cells)
        if kind > 0.9:
            lines.insert(place, dice.choice(lines))
    end = dice.choice(("\n", "\n", "\n", "\r\n", "\r", "\n\n"))
    return _perhaps_damaged(end.join(lines).encode("utf-8", "surrogatepass"), dice)


def changed(value: Any, dice: random.Random) -> Any:
    """A copy of plain values with one to three places changed."""
    value = copy.deepcopy(value)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return dice.choice(_VALUES)
        _change(*dice.choice(places), dice)
    return value


def _change(holder: Any, key: Any, dice: random.Random) -> None:
    """Change one entry of a mapping or a list."""
    old, kind = holder[key], dice.random()
    if kind < 0.5:
        holder[key] = copy.deepcopy(dice.choice(_VALUES)) if dice.random() < 0.8 else raw_text(dice)
    elif kind < 0.65:
        holder[key] = _near(old, dice)
    elif kind < 0.8:
        del holder[key]
    elif kind < 0.9 and isinstance(holder, dict):
        holder[dice.choice(("", "x", "os:system", "\0", f"{key}_", "schema"))] = old
    elif kind < 0.95:
        holder[key] = [old]
    elif isinstance(old, list):
        holder[key] = old * dice.choice((0, 2, 50))
    else:
        holder[key] = {"x": old}


def _near(old: Any, dice: random.Random) -> Any:
    """Another value of the same type."""
    if isinstance(old, bool) or old is None:
        return not old
    if isinstance(old, int | float):
        return dice.choice((old + 1, old - 1, -old, 2 * old, old / 2, old * 10**6))
    if isinstance(old, str):
        cut = dice.randrange(len(old) + 1)
        return dice.choice((old[:cut], old[cut:] + old[:cut], old.upper(), old + old))
    if isinstance(old, list):
        return dice.sample(old, len(old))
    return dict(reversed(old.items())) if isinstance(old, dict) else None


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder of values and a key or position in it."""
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in list(keys):
            yield holder, key
            waiting.append(holder[key])


def raw_text(dice: random.Random) -> str:
    """A string that :func:`dumped` writes as text of its own, such as a number without end."""
    return _RAW.format(dice.randrange(len(_RAW_TEXTS)))


def dumped(value: Any, *, indent: int | None = None) -> str:
    """JSON of plain values, those of :func:`raw_text` as they shall be."""
    text = json.dumps(value, indent=indent, default=str)
    for number, raw in enumerate(_RAW_TEXTS):
        text = text.replace(json.dumps(_RAW.format(number)), raw)
    return text


def _dump(value: Any, dice: random.Random, *, indent: int | None = 1) -> str:
    text = dumped(value, indent=indent)
    if dice.random() < 0.1:
        text = text.replace('":', '": 0, "x":', 1)
    return text


def _perhaps_damaged(data: bytes, dice: random.Random) -> bytes:
    return damage(data, dice) if dice.random() < 0.1 else data
