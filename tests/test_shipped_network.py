"""The network that comes with the package: what it is, that it sees, and that no held-out class taught it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from a2m2.bench.shipped import HELD_OUT_SEED, classes_of, portions
from a2m2.config import load
from a2m2.recognize import Recognizer
from a2m2.synth import SynthConfig, draw_classes, family_of, make_clip
from a2m2.train_settings import TrainSettings
from a2m2.video import sample_index
from a2m2.weights import MOTION_SMALL, load_network, shipped_file, shipped_networks


def test_it_is_small_and_built_as_its_configuration_says():
    assert MOTION_SMALL in shipped_networks()
    assert sum(Path(shipped_file(name)).stat().st_size for name in shipped_networks()) < 8e6
    saved = load_network(MOTION_SMALL)
    assert saved.settings == load(TrainSettings, Path(MOTION_SMALL), data="clips").network()
    assert saved.provenance["stage"] == "meta"


def test_a_name_that_is_none_is_a_path():
    assert shipped_file("motion-large") is None
    assert shipped_file("../weights/motion-small") is None


def test_it_recognises_motions_that_it_never_saw(tmp_path: Path):
    """Five novel classes, three clips each: far above the fifth that guessing gives."""
    recognizer = Recognizer(cache=tmp_path)
    config = SynthConfig(stratum="sequences", timing=0.5, size=64)
    # Only the frames that the network will look at are painted.
    video = load_network(MOTION_SMALL).settings.video
    seen = sample_index(config.num_frames, video.num_frames, policy=video.policy).numpy()
    right = []
    definitions = [c for c in draw_classes("sequences", HELD_OUT_SEED) if c.split == "test"][::2]
    for first in (0, 6):
        chosen = definitions[first : first + 5]
        clips = {c.name: [make_clip(config, c, i).frames(seen) for i in range(5)] for c in chosen}
        recognizer.fit([clip for some in clips.values() for clip in some[:3]], np.repeat(list(clips), 3))
        for name, some in clips.items():
            right += [answer == name for answer in recognizer.predict(some[3:])]
    assert np.mean(right) > 0.8


@pytest.mark.parametrize("stratum", ["sets", "sequences", "figures"])
def test_no_held_out_family_is_trained_on(stratum: str):
    families = {"train": set(), "val": set()}
    for portion in portions():
        if portion.config.stratum == stratum:
            for definition in classes_of(portion):
                families[definition.split].add(family_of(definition))
    test = {family_of(c) for c in draw_classes(stratum, HELD_OUT_SEED) if c.split == "test"}
    assert len(families["train"]) > 100
    assert families["val"]
    assert not families["train"] & (families["val"] | test)
    assert not families["val"] & test


def test_clips_of_every_portion_differ():
    assert len({portion.name for portion in portions()}) == len(portions())
    counts = [portion.config.clips_per_class for portion in portions(0.5)]
    assert all(2 <= count <= 8 for count in counts)
