"""A grid becomes cells: placeholders, settings set by axes, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from a2m2.config import shipped
from a2m2.errors import ConfigError
from a2m2.studies.grid import GRIDS, GridSettings, cells, read_grid

OUT = Path("study")
EVALUATE: dict[str, Any] = {"data": "clips/{place}", "methods": ["a2m2_net", "diagonal"]}


def grid(**values: Any) -> GridSettings:
    return GridSettings.build({"title": "trial", "evaluate": EVALUATE, **values})


def test_every_combination_is_a_cell_named_by_its_labels() -> None:
    found = cells(grid(axes={"place": ["a", "b"], "protocol.shot": [1, 5]}), OUT)
    assert [cell.name for cell in found] == [
        "place-a_shot-1",
        "place-a_shot-5",
        "place-b_shot-1",
        "place-b_shot-5",
    ]
    assert found[1].settings.data == "clips/a"
    assert found[1].settings.protocol.shot == 5
    assert found[1].labels == {"place": "a", "protocol.shot": "5"}


def test_a_level_may_set_several_settings() -> None:
    levels = {
        "plain": {"m2.order": "first"},
        "prior": {"a2.order_prior": 0.3, "a2": {"order_axis": "progress"}},
    }
    plain, prior = cells(grid(axes={"place": ["a"], "kind": levels}), OUT)
    assert plain.settings.m2.order == "first"
    assert (prior.settings.a2.order_prior, prior.settings.a2.order_axis) == (0.3, "progress")
    assert prior.settings.m2.order == "second"


def test_an_axis_may_be_a_setting_of_the_top_level() -> None:
    found = cells(grid(axes={"place": ["a"], "probe": ["reversed", "twins"]}), OUT)
    assert [cell.settings.probe for cell in found] == ["reversed", "twins"]


def test_combinations_can_be_left_out() -> None:
    found = cells(
        grid(
            axes={"place": ["a", "b"], "protocol.seed": [0, 1]},
            leave_out=[{"place": "a", "protocol.seed": 1}],
        ),
        OUT,
    )
    assert [cell.name for cell in found] == ["place-a_seed-0", "place-b_seed-0", "place-b_seed-1"]
    with pytest.raises(ConfigError, match="leave_out leaves nothing to run"):
        cells(grid(axes={"place": ["a"]}, leave_out=[{"place": "a"}]), OUT)


def test_a_placeholder_alone_keeps_its_type_and_clips_are_shared_by_what_they_are() -> None:
    clips = {"test": {"stratum": "sets", "timing": "{timing}", "splits": ["test"]}}
    asked = grid(
        clips=clips,
        evaluate={"data": "{clips.test}"},
        axes={"timing": [0, 0.5], "protocol.shot": [1, 5]},
    )
    found = cells(asked, OUT)
    assert [cell.clips[0].settings.timing for cell in found] == [0, 0, 0.5, 0.5]
    assert found[0].clips == found[1].clips != found[2].clips
    assert found[0].settings.data == str(found[0].clips[0].folder)


def test_cells_that_train_alike_share_a_training() -> None:
    train = {"config": "synth-small", "data": "base", "seed": "{seed}", "pretrain_method": "a2m2_net"}
    asked = grid(
        train={**train, "method": "{method}"},
        evaluate={"data": "test"},
        axes={"method": ["a2m2_net", "diagonal"], "seed": [0, 1], "protocol.shot": [1, 5]},
    )
    found = cells(asked, OUT)
    assert len(found) == 8
    folders = [tuple(stage.folder.name for stage in cell.trainings) for cell in found]
    assert len(set(folders)) == 4
    pretrained = {first for first, _ in folders}
    assert len(pretrained) == 2, "both methods start from one pre-training a seed"
    first, second = found[0].trainings
    assert (first.stage, second.stage, second.start) == ("pretrain", "meta", first.folder)
    assert found[0].settings.weights == (str(second.folder),)
    assert found[-1].settings.methods == ("diagonal",)
    assert second.settings.backbone.source == "small-cnn", "the shipped configuration was read"


def test_a_setting_of_the_training_makes_another_training() -> None:
    train = {"config": "synth-small", "data": "base"}
    small, large = cells(
        grid(train=train, evaluate={"data": "test"}, axes={"train.m2.components": [8, 16]}), OUT
    )
    assert (small.trainings[0].settings.m2.components, large.trainings[0].settings.m2.components) == (8, 16)
    assert small.trainings[0].folder != large.trainings[0].folder


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"axes": {"seed": [0]}}, r"nothing is called \{place\}; known are seed"),
        (
            {"axes": {"place": ["a"], "m2.ordre": ["first"]}},
            r"unknown key 'm2.ordre'; did you mean 'm2.order'\?",
        ),
        ({"axes": {"place": []}}, "axis place has no levels"),
        ({"axes": {"place": ["a", "a"]}}, "axis place has a level twice"),
        ({"axes": {"place": ["a"]}, "repeat": "seed"}, "seed is no axis; known are place"),
        (
            {"axes": {"place": ["a"], "train.seed": [0]}},
            "axis train.seed sets train.seed, but nothing is trained",
        ),
        ({"axes": {"place": ["a"], "clips.base.timing": [0]}}, "there are no clips base"),
        ({"axes": {"place": ["a b", "a/b"]}}, "two cells are called place-a-b"),
        (
            {"axes": {"place": ["a"], "sead": [0, 1]}},
            "place-a_sead-0 and place-a_sead-1 are one and the same evaluation",
        ),
        ({"axes": {"place": ["a"]}, "methods": []}, r"unknown key 'methods'"),
        (
            {"axes": {"place": ["a"]}, "train": {"data": "x", "stages": ["finetune"]}},
            "train.stages: expected pretrain, meta or both",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refusal:
        cells(grid(**values), OUT)
    assert "\n" not in str(refusal.value)


def test_a_grid_is_read_from_a_file_or_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"title": "mine", "evaluate": {"data": "x"}, "axes": {"seed": [0]}}))
    assert read_grid(file).title == "mine"
    with pytest.raises(ConfigError, match="no configuration file nothing; check the path, or name one of"):
        read_grid(Path("nothing"))


@pytest.mark.parametrize("name", sorted(shipped(GRIDS)))
def test_every_shipped_grid_has_cells(name: str) -> None:
    assert len(cells(read_grid(Path(name)), OUT)) > 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"title": "x" * 5000}, "title: string should have at most 200 characters"),
        ({"train": {"config": "9" * 5000, "data": "d"}}, "no configuration file 9+ … 9+; check the path"),
    ],
)
def test_long_texts_are_refused_in_few_words(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refusal:
        cells(grid(axes={"place": ["a"]}, **values), OUT)
    assert len(str(refusal.value)) < 1500
