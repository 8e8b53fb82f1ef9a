"""Numbers and counted nouns as the page prints them: one place, so that every table reads alike."""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"


def count(number: int) -> str:
    """``10,000``."""
    return f"{number:,}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """``1 class``, ``24 classes``: the number and its noun."""
    return f"{count(number)} {noun if number == 1 else plural or noun + 's'}"


def percent(fraction: float, digits: int = 1) -> str:
    """``78.7`` for 0.787; the per-cent sign stands in the heading or is added by the caller."""
    return f"{100 * fraction:.{digits}f}"


def plain(value: float) -> str:
    """``0.05`` or ``−2``: as few digits as tell a tick from its neighbours."""
    return f"{round(value, 6):g}".replace("-", MINUS)


def plain_percent(fraction: float) -> str:
    """``20`` for 0.2, as :func:`plain` writes it."""
    return plain(100 * fraction)


def chance_percent(way: int) -> str:
    """``20`` for 5 classes, ``33.3`` for 3."""
    return percent(1 / way).removesuffix(".0")


def digits_for(interval: float) -> int:
    """Decimals that a percentage with this half-width deserves: a second one below ±0.1, never more."""
    return 2 if 0 < interval < 0.001 else 1


def signed(fraction: float, digits: int = 1) -> str:
    """``+2.9`` or ``−2.9`` in percentage points; 0 without a sign."""
    text = f"{100 * abs(fraction):.{digits}f}"
    if not float(text):
        return text
    return f"{'+' if fraction > 0 else MINUS}{text}"


def keep_units(text: str) -> str:
    """``text`` with its per-cent signs, intervals and ranges kept on the line of their numbers."""
    for apart in (" %", " ±", "± ", " … "):
        text = text.replace(apart, apart.replace(" ", "\N{NO-BREAK SPACE}"))
    return text


def listed(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def shortened(text: str, length: int) -> str:
    """At most ``length`` characters, with an ellipsis where some were left out."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
