"""A grid of evaluations in one YAML file: what is the same everywhere, and axes along which something is varied.

    title: Alignment under misalignment
    clips:                                # rendered where missing
      base: {stratum: sets, timing: 1, order: 1, splits: [train, val]}
      test: {stratum: sets, timing: "{timing}", order: 1, splits: [test], clips_per_class: 30}
    train:                                # trained where missing; leave it out to test without training
      config: synth-small
      data: "{clips.base}"
      seed: "{seed}"
    evaluate:
      data: "{clips.test}"
      methods: [a2m2_net, diagonal]
    axes:
      timing: [0, 1]
      seed: [0, 1, 2]
    repeat: seed

Every combination of levels is a *cell*. A level acts in three ways: ``{axis}`` in any text stands for it; an axis
called like a setting (``protocol.shot: [1, 5]``) sets it; and an axis given as a mapping from labels to settings
(``order: {first: {m2.order: first}, second: {m2.order: second}}``) sets several. Settings are those of
``a2m2 evaluate``; ``train.`` before a key means the training and ``clips.NAME.`` the synthetic clips of that name. All
methods of ``evaluate`` run side by side in a cell, over the same episodes.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from a2m2.config import Section, find_config, read_yaml, refuse_code, values_digest
from a2m2.errors import ConfigError
from a2m2.reading import shorten
from a2m2.settings import EvaluateSettings
from a2m2.synth import SynthConfig
from a2m2.train_settings import Stage, TrainSettings

GRIDS = "grids"
"""Folder of the shipped grids among the shipped configurations."""

MAX_CELLS = 4096
"""Combinations of levels in one grid."""
MAX_LABEL = 200
"""Characters of a title, of a level's label, and of the names of axes and clips."""

Scalar = str | int | float | bool
Levels = list[Scalar] | dict[Scalar, dict[str, Any]]

_PLACE = re.compile(r"\{([A-Za-z_][\w.]*)\}")
_STAGES = [["pretrain"], ["meta"], ["pretrain", "meta"]]
_OWN_KEYS = ("config", "stages", "pretrain_method")


class GridSettings(Section):
    """A grid as it is written."""

    title: str = Field(max_length=MAX_LABEL)
    """What the study is about, in a few words."""
    evaluate: dict[str, Any]
    """Settings of every evaluation."""
    train: dict[str, Any] | None = None
    """Settings of the training; besides them config (a file or a shipped name), stages and pretrain_method."""
    clips: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Name to the settings of synthetic clips."""
    axes: dict[str, Levels] = Field(min_length=1)
    """What is varied."""
    repeat: str = ""
    """Axis whose levels are repeats, to be averaged: training seeds."""
    reference: str = ""
    """Method that the others are compared with; the first one when empty."""
    leave_out: list[dict[str, Scalar]] = Field(default_factory=list)
    """Combinations of levels that are not run."""

    @model_validator(mode="after")
    def _axes_have_levels(self) -> GridSettings:
        for axis, levels in self.axes.items():
            if not levels:
                raise ValueError(f"axis {axis} has no levels; give at least one")
            labels = [_label(level) for level in levels]
            longest = max([axis, *labels], key=len)
            if len(longest) > MAX_LABEL:
                raise ValueError(
                    f"a level or an axis has more than {MAX_LABEL} characters ({shorten(longest, 40)}); give levels "
                    "as a mapping with short labels"
                )
            if len(set(labels)) < len(labels):
                raise ValueError(f"axis {axis} has a level twice; keep one")
        for axis in [*([self.repeat] if self.repeat else []), *itertools.chain(*self.leave_out)]:
            if axis not in self.axes:
                raise ValueError(f"{shorten(axis)} is no axis; known are {shorten(', '.join(self.axes))}")
        combinations = math.prod(map(len, self.axes.values()))
        if combinations > MAX_CELLS:
            raise ValueError(
                f"the axes have {shorten(str(combinations))} combinations, more than {MAX_CELLS:,}; leave levels out"
            )
        return self


@dataclass(frozen=True)
class Clips:
    """Synthetic clips that cells need, and the folder that they belong into."""

    folder: Path
    settings: SynthConfig


@dataclass(frozen=True)
class Training:
    """One stage of a training that cells need.

    Attributes:
        folder: where it belongs; its name holds a digest of everything that fixes it.
        settings, stage: what is trained.
        start: folder of the stage before, None for the first.
    """

    folder: Path
    settings: TrainSettings
    stage: Stage
    start: Path | None


@dataclass(frozen=True)
class Cell:
    """One evaluation.

    Attributes:
        name: of its folder; made of its labels.
        labels: axis to label.
        settings: of the evaluation.
        clips: what has to be rendered before.
        trainings: what has to be trained before, in order.
    """

    name: str
    labels: dict[str, str]
    settings: EvaluateSettings
    clips: tuple[Clips, ...]
    trainings: tuple[Training, ...]


def read_grid(path: Path) -> GridSettings:
    """The grid in a YAML file, or the shipped one of that name.

    Raises:
        ConfigError: no such file, or one that is no grid.
    """
    return GridSettings.build(read_yaml(find_config(path, GRIDS)), source=str(path))


def read_cells(path: Path, out: Path) -> list[Cell]:
    """All cells of the grid in a file, see :func:`read_grid` and :func:`cells`.

    Raises:
        ConfigError: as they do; the file is named.
    """
    grid = read_grid(path)
    try:
        return cells(grid, out)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def cells(grid: GridSettings, out: Path) -> list[Cell]:
    """All cells of a grid, in the order of its axes; ``out`` is the folder of the study.

    Raises:
        ConfigError: settings that do not fit, an unknown placeholder, or nothing left to run.
    """
    result = [_cell(grid, levels, out) for levels in _combinations(grid)]
    if not result:
        raise ConfigError(f"{grid.title}: leave_out leaves nothing to run; shorten it")
    count = Counter(cell.name for cell in result)
    twice = next((name for name, times in count.items() if times > 1), None)
    if twice:
        raise ConfigError(f"{grid.title}: two cells are called {twice}; give their levels other labels")
    first: dict[str, str] = {}
    for cell in result:
        other = first.setdefault(cell.settings.digest(), cell.name)
        if other != cell.name:
            raise ConfigError(
                f"{grid.title}: {other} and {cell.name} are one and the same evaluation; let a setting or a text "
                "depend on every axis"
            )
    return result


def _combinations(grid: GridSettings) -> Iterator[dict[str, Scalar]]:
    for levels in itertools.product(*grid.axes.values()):
        chosen = dict(zip(grid.axes, levels, strict=True))
        if not any(all(chosen[axis] == level for axis, level in one.items()) for one in grid.leave_out):
            yield chosen


def _cell(grid: GridSettings, chosen: Mapping[str, Scalar], out: Path) -> Cell:
    labels = {axis: _label(level) for axis, level in chosen.items()}
    name = "_".join(f"{axis.rsplit('.', 1)[-1]}-{_slug(label)}" for axis, label in labels.items())
    changes = _changes(grid, chosen)
    try:
        clips = {
            key: _clips(key, settings, changes.get(f"clips.{key}", {}), chosen, out)
            for key, settings in grid.clips.items()
        }
        known: dict[str, Any] = {
            **chosen,
            **{f"clips.{key}": str(one.folder) for key, one in clips.items()},
        }
        trainings = _trainings(grid.train, changes["train"], known, out) if grid.train is not None else ()
        values = _filled(_changed(grid.evaluate, changes["evaluate"]), known)
        if trainings:
            values["weights"] = [str(trainings[-1].folder)]
            values.setdefault("methods", [trainings[-1].settings.method])
        # Once more, since a level may have been put into a text.
        refuse_code(values, source="evaluate")
        settings = EvaluateSettings.build(values, source="evaluate")
    except ConfigError as error:
        raise ConfigError(f"{grid.title}, {name}: {error}") from None
    return Cell(name, labels, settings, tuple(clips.values()), trainings)


def _changes(grid: GridSettings, chosen: Mapping[str, Scalar]) -> dict[str, dict[str, Any]]:
    """What the levels set: settings by the part they belong to."""
    parts: dict[str, dict[str, Any]] = {"evaluate": {}, "train": {}}
    for axis, level in chosen.items():
        levels = grid.axes[axis]
        is_setting = "." in axis or axis in EvaluateSettings.model_fields
        asked = levels[level] if isinstance(levels, dict) else {axis: level} if is_setting else {}
        for key, value in asked.items():
            part, _, rest = key.partition(".")
            if part == "clips":
                name, _, rest = rest.partition(".")
                if name not in grid.clips:
                    raise ConfigError(f"{grid.title}: axis {axis} sets {key}, but there are no clips {name}")
                part = f"clips.{name}"
            elif part == "train":
                if grid.train is None:
                    raise ConfigError(f"{grid.title}: axis {axis} sets {key}, but nothing is trained")
            else:
                part, rest = "evaluate", key
            parts.setdefault(part, {})[rest] = value
    return parts


def _clips(
    name: str, settings: Mapping[str, Any], changes: Mapping[str, Any], known: Mapping[str, Any], out: Path
) -> Clips:
    config = SynthConfig.build(_filled(_changed(settings, changes), known), source=f"clips.{name}")
    return Clips(out / "clips" / f"{name}-{config.digest()[:8]}", config)


def _trainings(
    train: Mapping[str, Any], changes: Mapping[str, Any], known: Mapping[str, Any], out: Path
) -> tuple[Training, ...]:
    """The stages of a cell's training, each in a folder that is named by what fixes it."""
    values = _filled(_changed(train, changes), known)
    own = {key: values.pop(key, None) for key in _OWN_KEYS}
    if own["config"] is not None:
        values = _changed(read_yaml(find_config(Path(str(own["config"])))), values)
    stages: Any = ("pretrain", "meta") if own["stages"] is None else own["stages"]
    if not isinstance(stages, list | tuple) or list(stages) not in _STAGES:
        raise ConfigError(
            f"train.stages: expected pretrain, meta or both as a list, got {shorten(str(stages))}"
        )
    refuse_code({**values, **own}, source="train")
    result: list[Training] = []
    for stage in stages:
        method = own["pretrain_method"] if stage == "pretrain" else None
        settings = TrainSettings.build(values | ({"method": method} if method else {}), source="train")
        start = result[-1].folder if result else None
        digest = values_digest({"settings": settings.stage(stage), "start": str(start and start.name)})
        folder = out / "trained" / f"{stage}-{_slug(settings.method)}-seed-{settings.seed}-{digest[:8]}"
        result.append(Training(folder, settings, stage, start))
    return tuple(result)


def _changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes``, whose keys may be dotted and whose mappings are merged."""
    result = {
        key: _changed(value, {}) if isinstance(value, Mapping) else value for key, value in base.items()
    }
    for key, value in changes.items():
        first, _, rest = str(key).partition(".")
        if rest or isinstance(value, Mapping):
            inner = result.get(first)
            below = {rest: value} if rest else value
            result[first] = _changed(inner if isinstance(inner, Mapping) else {}, below)
        else:
            result[first] = value
    return result


def _filled(value: Any, known: Mapping[str, Any]) -> Any:
    """``value`` with every ``{name}`` replaced; a text that is nothing else takes the value's own type."""
    if isinstance(value, Mapping):
        return {key: _filled(entry, known) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(entry, known) for entry in value]
    if not isinstance(value, str):
        return value
    alone = _PLACE.fullmatch(value)
    if alone:
        return _known(alone[1], known)
    return _PLACE.sub(lambda match: _label(_known(match[1], known)), value)


def _known(name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise ConfigError(f"nothing is called {{{shorten(name)}}}; known are {shorten(', '.join(known))}")
    return known[name]


def _label(level: Scalar) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def _slug(text: str) -> str:
    """A label as part of a file's name."""
    return re.sub(r"[^\w.+-]+", "-", text)
