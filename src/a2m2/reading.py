"""Text and JSON of files that nobody vouches for: bounded in size, depth and numbers, the file named in every refusal.

What is read here may be cut off, damaged or made to do harm. Nothing larger than a stated limit is taken into memory,
nothing deeper than :data:`MAX_DEPTH` or with numbers beyond 64 bits gets through, and whatever is wrong becomes one
error of the class that the caller names.
"""

from __future__ import annotations

import difflib
import functools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from a2m2.errors import A2M2Error

MAX_BYTES = 256 << 20
"""Bytes of a file of records or a list; a run over a million videos stays below."""
MAX_LINE_BYTES = 16 << 20
"""Bytes of one line in a file of lines."""
MAX_DEPTH = 32
"""Lists and mappings inside one another; ours are at most 8 deep."""
MAX_INTEGER = 2**63 - 1

ValueT = TypeVar("ValueT")


class UnreadableError(ValueError):
    """Text that is not what it should be; callers turn it into an error that names the file."""


def read_bytes(
    path: Path, *, error: type[A2M2Error], what: str = "", cure: str, max_bytes: int = MAX_BYTES
) -> bytes:
    """The content of a file.

    Args:
        path: the file.
        error: class of the error to raise.
        what: as in :func:`read_text`.
        cure: what the error tells to do.
        max_bytes: a longer file is refused, and no more than this is read of it.

    Raises:
        FileNotFoundError: there is none.
        A2M2Error: of the class given: it cannot be read, or is longer.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as fault:
        raise error(_refusal(path, what, fault_in_words(fault), cure)) from None
    if len(content) > max_bytes:
        raise error(_refusal(path, what, f"it is longer than {max_bytes:,} bytes", cure))
    return content


def read_text(
    path: Path,
    *,
    error: type[A2M2Error],
    what: str = "",
    cure: str,
    max_bytes: int = MAX_BYTES,
) -> str:
    """The text of a file in UTF-8, a byte order mark taken off, line ends as they are.

    Args:
        path: the file.
        error: class of the error to raise.
        what: what the file is, for the error: ``the list ``, with the space; empty to name its path alone.
        cure: what the error tells to do.
        max_bytes: a longer file is refused, and no more than this is read of it.

    Raises:
        FileNotFoundError: there is none.
        A2M2Error: of the class given: it cannot be read, is longer, or no text in UTF-8.
    """
    content = read_bytes(path, error=error, what=what, cure=cure, max_bytes=max_bytes)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        reason = f"byte {fault.start} is not UTF-8: {fault.reason}"
        raise error(_refusal(path, what, reason, cure)) from None
    if "\0" in text:
        raise error(_refusal(path, what, "it holds a NUL, as no text does", cure))
    return text


def _refusal(path: Path, what: str, reason: str, cure: str) -> str:
    return (
        f"cannot read {what}{path}: {reason}; {cure}" if what else f"{path} cannot be read ({reason}); {cure}"
    )


def fault_in_words(fault: Exception) -> str:
    """One short line for what the system says."""
    if isinstance(fault, OSError):
        return (fault.strerror or "unknown fault").lower()
    return shorten(str(fault)) or type(fault).__name__


def parse_json(text: str) -> Any:
    """The value in a JSON text. NaN and Infinity are numbers, as records hold them for figures that are not known.

    Raises:
        UnreadableError: no JSON; a key twice; an integer beyond 64 bits; deeper than :data:`MAX_DEPTH`.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_mapping,
            parse_int=_integer,
        )
    except UnreadableError:
        raise
    except RecursionError:
        raise UnreadableError(_TOO_DEEP) from None
    except ValueError as fault:
        raise UnreadableError(f"no valid JSON: {shorten(str(fault))}") from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Refuse lists and mappings that are nested deeper than :data:`MAX_DEPTH`.

    Raises:
        UnreadableError: they are.
    """
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise UnreadableError(_TOO_DEEP)


_TOO_DEEP = f"lists and mappings are nested more than {MAX_DEPTH} deep"


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise UnreadableError(f"the key {shorten(twice)!r} stands twice in one mapping")
    return mapping


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -MAX_INTEGER <= int(digits) <= MAX_INTEGER:
        raise UnreadableError(f"the integer {shorten(digits)} has more than 64 bits")
    return int(digits)


def json_lines(
    path: Path, parse: Callable[[Any], ValueT], *, error: type[A2M2Error], cure: str
) -> Iterator[ValueT]:
    """What ``parse`` makes of every line of a file of JSON lines, one at a time.

    Args:
        path: the file.
        parse: from a line's value to what it says.
        error: class of the error to raise.
        cure: what the error tells to do.

    Raises:
        FileNotFoundError: there is none.
        A2M2Error: of the class given: the file cannot be read, or a line is damaged; its number is named.
    """
    try:
        with path.open("rb") as lines:
            number = 0
            while line := lines.readline(MAX_LINE_BYTES):
                number += 1
                try:
                    if len(line) == MAX_LINE_BYTES:
                        raise UnreadableError("it is too long")
                    yield parse(parse_json(line.decode("utf-8")))
                except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as fault:
                    reason = why(fault)
                    raise error(f"{path} line {number} is damaged ({reason}); {cure}") from None
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise error(_refusal(path, "", fault_in_words(fault), cure)) from None


def read_record(
    path: Path, parse: Callable[[str], ValueT], *, error: type[A2M2Error], missing: str, cure: str
) -> ValueT:
    """What ``parse`` makes of a file's text.

    Args:
        path: the file.
        parse: from text to what it says; an error of the class given gets the file's name in front.
        error: class of the error to raise.
        missing: the whole message where there is no such file.
        cure: what other errors tell to do.

    Raises:
        A2M2Error: of the class given: no file, unreadable, or nothing that ``parse`` takes.
    """
    if path.is_dir():
        raise error(_refusal(path, "", "it is a folder", cure))
    try:
        text = read_text(path, error=error, cure=cure)
    except FileNotFoundError:
        raise error(missing) from None
    try:
        return parse(text)
    except error as fault:
        raise error(f"{path}: {fault}") from None
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as fault:
        raise error(f"{path} cannot be read ({why(fault)}); {cure}") from None


def why(fault: Exception) -> str:
    """What is wrong, in one short line."""
    if isinstance(fault, ValidationError):
        first = fault.errors()[0]
        where = shorten(".".join(map(str, first["loc"]))) or "its content"
        return f"{where}: {shorten(first['msg'])}"
    if isinstance(fault, KeyError):
        return f"{shorten(str(fault))} is missing"
    return shorten(next(iter(str(fault).splitlines()), "")) or type(fault).__name__


@functools.cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def typed(cls: type[ValueT], values: Any) -> ValueT:
    """A dataclass from plain values: every field of its type, lists made tuples.

    Args:
        cls: the class.
        values: a mapping from its fields, or an instance whose fields may be anything.

    Raises:
        ValueError: a field is missing or of another type.
    """
    value: ValueT = _adapter(cls).validate_python(  # type: ignore[arg-type]
        values if isinstance(values, dict) else asdict(values)
    )
    return value


def mapping_of(value: Any) -> dict[str, Any]:
    """``value`` if it is a mapping.

    Raises:
        UnreadableError: it is not.
    """
    if not isinstance(value, dict):
        raise UnreadableError(f"expected keys and values at the top, got a {type(value).__name__}")
    return value


def of_schema(value: Any, schema: int, *, error: type[A2M2Error], cure: str) -> dict[str, Any]:
    """``value`` if it is a mapping whose key ``schema`` holds this number.

    Args:
        value: what a record's file holds.
        schema: the only one that is read.
        error: class of the error to raise.
        cure: what the error tells to do.

    Raises:
        UnreadableError: it is no mapping.
        A2M2Error: of the class given: it is of another schema.
    """
    raw = mapping_of(value)
    found = raw.get("schema")
    if found != schema:
        raise error(f"records of schema {shorten(repr(found))}, this version reads {schema}; {cure}")
    return raw


def shorten(text: str, limit: int = 200) -> str:
    """``text``, its middle left out when it is longer than ``limit``: foreign content in a message."""
    half = limit // 2
    return text if len(text) <= limit else f"{text[:half]} … {text[-half:]}"


def nearest_names(name: str, known: Iterable[str], *, cutoff: float = 0.0) -> list[str]:
    """The one of ``known`` that is most like ``name``, if any is; a long name takes no longer than a short one."""
    return difflib.get_close_matches(name[:100], list(known), n=1, cutoff=cutoff)
