"""The few lines it takes to write SVG safely: elements whose attributes and text are always escaped."""

from __future__ import annotations

from markupsafe import Markup, escape


def number(value: float) -> str:
    """A coordinate: two decimals at most, no trailing zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def share(fraction: float) -> str:
    """A position along a chart as a percentage of its width, so that the chart follows the page's width."""
    return f"{number(100 * fraction)}%"


def element(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """``<name …>children</name>``.

    Args:
        name: tag; written as it is, so never from a record.
        children: :class:`~markupsafe.Markup` is kept, any other string is escaped.
        attributes: ``stroke_width`` becomes ``stroke-width``, ``class_`` becomes ``class``; None is omitted.
    """
    written = [f"<{name}"]
    for key, value in attributes.items():
        if value is not None:
            text = value if isinstance(value, str) else number(value)
            written.append(f' {key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    if not children:
        return Markup("".join(written) + "/>")
    inner = "".join(escape(child) for child in children)
    return Markup(f"{''.join(written)}>{inner}</{name}>")


def title(text: str) -> Markup:
    """What a pointer that rests on the parent shows."""
    return element("title", text)
