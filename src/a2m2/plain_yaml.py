"""YAML with plain values alone: text, numbers, truth, null, lists and mappings, each written out once.

No anchors and aliases, whose copies of copies grow without bound; no merge keys; no tags, which ask for other types;
no key twice, of which one would be lost without a word; no dates. Numbers are bounded as in :mod:`a2m2.reading`.
"""

from __future__ import annotations

from typing import Any

import yaml

from a2m2.reading import MAX_DEPTH, MAX_INTEGER, shorten

MAX_CHARACTERS = 256 << 10
"""Characters of one text; the longest shipped configuration has 4 thousand."""

_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map")}
_KEY = (str, int, float, bool)


class PlainYamlError(ValueError):
    """A text that is no YAML, or not plain.

    Attributes:
        line: where, counted from 1; None where nothing tells.
    """

    def __init__(self, reason: str, mark: Any = None) -> None:
        super().__init__(reason)
        self.line = None if mark is None else mark.line + 1


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one of libyaml where it is there: fifty times as fast."""


class _PlainLoader(_Loader):
    """Makes plain values of what :func:`_check_events` has let through."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, _KEY) or key != key:
                raise PlainYamlError("a key must be a text or a number", key_node.start_mark)
            if key in mapping:
                raise PlainYamlError(f"the key {shorten(str(key))} stands twice", key_node.start_mark)
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping


def _integer(loader: _PlainLoader, node: yaml.ScalarNode) -> int:
    value = loader.construct_yaml_int(node) if len(node.value) <= 80 else MAX_INTEGER + 1
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise PlainYamlError(f"the integer {shorten(node.value, 40)} has more than 64 bits", node.start_mark)
    return value


def _mapping(loader: _PlainLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


def _list(loader: _PlainLoader, node: yaml.SequenceNode) -> list[Any]:
    return [loader.construct_object(entry, deep=True) for entry in node.value]


_PlainLoader.add_constructor("tag:yaml.org,2002:int", _integer)
_PlainLoader.add_constructor("tag:yaml.org,2002:map", _mapping)
_PlainLoader.add_constructor("tag:yaml.org,2002:seq", _list)
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _TAGS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _check_events(text: str) -> None:
    """Refuse what is not plain before anything is made of it.

    Raises:
        PlainYamlError: an anchor, an alias, a tag, or too deep.
        yaml.YAMLError: no YAML.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise PlainYamlError("anchors (&) and aliases (*) are not read; write it out", event.start_mark)
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            raise PlainYamlError(f"the tag {shorten(tag)} is not read; leave it out", event.start_mark)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise PlainYamlError(f"nested more than {MAX_DEPTH} deep", event.start_mark)


def plain_yaml(text: str) -> Any:
    """The value in a YAML text, None for an empty one.

    Raises:
        PlainYamlError: no YAML, not plain, or longer than :data:`MAX_CHARACTERS`.
    """
    if len(text) > MAX_CHARACTERS:
        raise PlainYamlError(f"longer than {MAX_CHARACTERS:,} characters")
    try:
        _check_events(text)
        loader = _PlainLoader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        if mark is not None and mark.line > text.count("\n"):
            # Behind the end; people count to the last line.
            mark = yaml.Mark("", 0, text.count("\n"), 0, None, 0)
        problem = getattr(fault, "problem", None) or getattr(fault, "reason", None) or "not readable"
        raise PlainYamlError(f"not valid YAML: {shorten(str(problem))}", mark) from None
    except PlainYamlError:
        raise
    except (ValueError, ArithmeticError, RecursionError) as fault:
        raise PlainYamlError(f"not valid YAML: {shorten(str(fault))}") from None
