"""Recordings: pure, legal, and true about what happens when."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from a2m2.synth import SynthConfig, draw_classes
from a2m2.synth.primitives import first_levels
from a2m2.synth.recording import draw_recording, trimmed_clip
from a2m2.synth.settings import Stratum

CLASSES = {
    stratum: [one for one in draw_classes(stratum, 1) if one.split == "val"]
    for stratum in ("sets", "sequences")
}


@pytest.mark.parametrize("stratum", ["sets", "sequences"])
def test_actions_follow_each_other_with_idle_between(stratum: Stratum) -> None:
    config = SynthConfig(stratum=stratum)
    recording = draw_recording(config, CLASSES[stratum], seconds=120.0, number=3)
    actions = recording.actions()
    assert recording.num_frames >= 120 * config.fps
    assert {action.class_name for action in actions} <= {one.name for one in CLASSES[stratum]}
    assert actions[0].start_seconds > 0.5
    assert actions[-1].end_seconds < recording.num_frames / config.fps
    for early, late in pairwise(actions):
        assert late.start_seconds - early.end_seconds >= 0.75
    assert max(len(take.actions) for take in recording.takes) > 1
    for take in recording.takes:
        first_levels(tuple(name for action in take.actions for name in action.definition.names))


def test_a_recording_depends_on_its_arguments_alone() -> None:
    config = SynthConfig(size=32)
    first, again, other = (
        draw_recording(config, CLASSES["sets"], seconds=5.0, number=number) for number in (1, 1, 2)
    )
    assert first.actions() == again.actions() != other.actions()
    painted = np.concatenate(list(first.frames()))
    assert painted.shape == (first.num_frames, 3, 32, 32)
    np.testing.assert_array_equal(painted, np.concatenate(list(again.frames())))


def test_a_trimmed_clip_is_little_more_than_its_action() -> None:
    config = SynthConfig(size=32)
    for index in range(5):
        take = trimmed_clip(config, CLASSES["sets"][0], index)
        (action,) = take.actions
        assert action.start <= 0.2 * config.fps + 1
        assert take.num_frames - action.end <= 0.2 * config.fps + 1
        assert len(take.frames(config)) == take.num_frames
