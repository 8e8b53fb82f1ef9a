"""Typed, flat configuration: one class a section, a doc line a field, unknown keys refused.

A configuration is built from defaults, then a YAML file, then ``--set section.key=value`` overrides, in that
order. What came out is saved beside the results together with its digest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from a2m2.errors import ConfigError
from a2m2.plain_yaml import PlainYamlError, plain_yaml
from a2m2.reading import nearest_names, read_text, shorten


class Section(BaseModel):
    """Base of every configuration class: frozen, strict about names, described by its field docs."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @classmethod
    def build(cls, values: Mapping[str, Any] | None = None, *, source: str = "configuration") -> Self:
        """Check ``values`` and return the section; raise :class:`ConfigError` naming the key at fault."""
        try:
            return cls.model_validate(dict(values or {}))
        except ValidationError as error:
            raise ConfigError(f"{source}: {_explain(error, cls)}") from None

    def digest(self) -> str:
        """16 hex digits that name this configuration."""
        return values_digest(self.model_dump(mode="json"))


def values_digest(values: Mapping[str, Any]) -> str:
    """16 hex digits that name plain values."""
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()[:16]


SectionT = TypeVar("SectionT", bound=Section)


def load(
    cls: type[SectionT], path: Path | None = None, overrides: Iterable[str] = (), **values: Any
) -> SectionT:
    """Build a ``cls`` from ``values``, a YAML file and ``a.b=c`` overrides; the later wins.

    Args:
        cls: the configuration class.
        path: YAML file with a mapping at its top, the name of a shipped one (:func:`shipped`), or None.
        overrides: strings ``section.key=value``; the value is read as YAML.
        values: top-level keys that come before the file; a nested key takes a mapping.

    Raises:
        ConfigError: unreadable file, unknown key (the nearest known one is named) or a bad value.
    """
    merged: dict[str, Any] = dict(values)
    source = "configuration"
    if path is not None:
        source = str(path)
        _merge(merged, read_yaml(find_config(path)))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigError(
                f"--set {override}: expected section.key=value, for example --set a2.order_prior=0.3"
            )
        try:
            value = plain_yaml(text)
        except PlainYamlError:
            raise ConfigError(f"--set {override}: the value is not readable as YAML; quote it") from None
        for part in reversed(key.split(".")):
            value = {part: value}
        _merge(merged, value)
        source = f"{source}, --set {key}" if path is not None else f"--set {key}"
    return cls.build(merged, source=source)


def shipped(folder: str = "") -> dict[str, Path]:
    """Name to file of every configuration that comes with the package, or of those in one of its folders."""
    place = Path(__file__).parent / "configs" / folder
    return {path.stem: path for path in sorted(place.glob("*.yaml"))}


def find_config(path: Path, folder: str = "") -> Path:
    """``path`` if there is such a file, else the shipped configuration (in ``folder``) that it names.

    Raises:
        ConfigError: neither.
    """
    # Not Path.is_file, which raises where a name is too long for a file.
    if os.path.isfile(path):
        return path
    names = shipped(folder)
    if str(path) in names:
        return names[str(path)]
    raise ConfigError(
        f"no configuration file {shorten(str(path))}; check the path, or name one of {', '.join(names)}"
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file of plain values (:mod:`a2m2.plain_yaml`), empty for an empty file.

    Raises:
        ConfigError: no such file, unreadable, no mapping, or one that names code to import (:func:`refuse_code`).
    """
    try:
        content = plain_yaml(read_text(path, error=ConfigError, cure="correct the file", max_bytes=1 << 20))
    except FileNotFoundError:
        raise ConfigError(f"no configuration file {path}; check the path") from None
    except PlainYamlError as error:
        where = f" at line {error.line}" if error.line is not None else ""
        raise ConfigError(f"{path} is not valid YAML{where}; correct the file ({error})") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values at the top, got a {type(content).__name__}")
    refuse_code(content, source=str(path))
    return content


def refuse_code(content: Any, *, source: str) -> None:
    """Refuse methods that are named as ``package.module:function``: a file must not choose what code is run.

    Args:
        content: plain values; looked at wherever a key is ``method``, ``methods`` or ends with one of them.
        source: what to call them in errors.

    Raises:
        ConfigError: one is.
    """
    if isinstance(content, list):
        for value in content:
            refuse_code(value, source=source)
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        refuse_code(value, source=source)
        if not str(key).rsplit(".", 1)[-1].endswith(("method", "methods")):
            continue
        for name in value if isinstance(value, list | tuple) else [value]:
            if isinstance(name, str) and ":" in name:
                raise ConfigError(
                    f"{source}: {shorten(str(key))} names code to import ({shorten(name)}), which a file must not do; "
                    "name it on the command line with --method"
                )


def _merge(base: dict[str, Any], update: Mapping[str, Any]) -> None:
    for key, value in update.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = dict(value) if isinstance(value, Mapping) else value


def _explain(error: ValidationError, cls: type[BaseModel]) -> str:
    """The first problem in one line, with the nearest known key where a key is unknown."""
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    name = ".".join(location) or "the top level"
    if first["type"] == "extra_forbidden":
        known = _keys_at(cls, location[:-1])
        nearest = nearest_names(location[-1], known)
        hint = f"did you mean '{'.'.join([*location[:-1], nearest[0]])}'?" if nearest else "remove it"
        return f"unknown key '{shorten(name)}'; {shorten(hint)}"
    message = shorten(first["msg"].removeprefix("Value error, "), 600)
    return f"{shorten(name)}: {message[0].lower()}{message[1:]} (got {shorten(repr(first['input']))})"


def _keys_at(cls: type[BaseModel], location: list[str]) -> list[str]:
    for part in location:
        field = cls.model_fields.get(part)
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        ):
            return []
        cls = field.annotation
    return list(cls.model_fields)
