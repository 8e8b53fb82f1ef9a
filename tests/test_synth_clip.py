"""Clips are pure functions of their seed, and what a class does not use is independent of the class."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from a2m2.errors import ConfigError
from a2m2.synth import SynthConfig, draw_classes, make_clip
from a2m2.synth.draws import Draws
from a2m2.synth.primitives import PRIMITIVES, QUANTITIES
from a2m2.synth.scene import ACTOR, FIRST, ITEM, MAX_BYSTANDERS, SECOND, VISITOR, draw_scene
from a2m2.synth.timing import draw_schedule

SEED = 1003


def config(**values: object) -> SynthConfig:
    return SynthConfig.build({"seed": SEED, "stratum": "sets", "timing": 0.0, **values})


def scene_of(names: tuple[str, ...], key: object = 0, timing: float = 0.0):
    return draw_scene(Draws("scene", str(key)), names, draw_schedule(Draws(0), len(names), timing), 32)


def without_camera(scene):
    return scene.x - scene.camera[:, :1], scene.y - scene.camera[:, 1:]


def test_same_seed_same_bytes_and_no_other_clip_matters():
    definition = draw_classes("sets", SEED)[70]
    one = make_clip(config(), definition, 5)
    make_clip(config(), definition, 6).frames()
    again = make_clip(config(clips_per_class=3, splits=("val",)), definition, 5)
    assert one.spans == again.spans
    assert one.frames().tobytes() == again.frames().tobytes()
    assert one.frames().tobytes() != make_clip(config(), definition, 6).frames().tobytes()
    assert one.frames().tobytes() != make_clip(config(seed=SEED + 1), definition, 5).frames().tobytes()


def test_frames_can_be_painted_alone():
    clip = make_clip(config(), draw_classes("sets", SEED)[0], 0)
    chosen = np.array([30, 2, 17])
    np.testing.assert_array_equal(clip.frames(chosen), clip.frames()[chosen])


def test_frames_have_their_shape_and_use_the_range():
    clip = make_clip(config(size=64, num_frames=16), draw_classes("sets", SEED)[0], 0)
    frames = clip.frames()
    assert frames.shape == (16, 3, 64, 64)
    assert frames.dtype == np.uint8
    assert frames.std() > 15


def test_knobs_leave_motion_and_look_alone():
    definition = draw_classes("sets", SEED)[3]
    calm, wild = make_clip(config(), definition, 1), make_clip(config(timing=1.0, order=1.0), definition, 1)
    assert calm.scene.steps == wild.scene.steps
    assert calm.scene.start_levels == wild.scene.start_levels
    np.testing.assert_array_equal(calm.look.background, wild.look.background)
    np.testing.assert_array_equal(calm.look.colours, wild.look.colours)


@pytest.mark.parametrize("stratum", ["sets", "sequences"])
def test_spans_name_the_class(stratum):
    for definition, index in itertools.product(draw_classes(stratum, SEED)[::9], range(4)):
        clip = make_clip(config(stratum=stratum, timing=1.0), definition, index)
        assert tuple(span.name for span in clip.spans) == definition.names
        assert clip.spans[0].start_seconds >= 0.0
        assert clip.spans[-1].end_seconds <= 2.0 + 1e-9
        for earlier, later in itertools.pairwise(clip.spans):
            assert later.start_seconds >= earlier.end_seconds - 1e-9


def test_timing_0_gives_all_clips_of_a_class_the_same_spans():
    definition = draw_classes("sequences", SEED)[0]
    spans = {make_clip(config(stratum="sequences"), definition, index).spans for index in range(5)}
    assert len(spans) == 1


def test_order_1_permutes_the_sub_actions_of_a_set():
    definition = next(c for c in draw_classes("sets", SEED) if len(c.names) == 3)
    orders = {
        tuple(s.name for s in make_clip(config(order=1.0), definition, index).spans) for index in range(60)
    }
    assert orders == set(itertools.permutations(definition.names))


def test_sequences_refuse_to_be_permuted():
    with pytest.raises(
        ConfigError, match=r"order: a class of the stratum sequences is an order .*\(got 0\.5\)"
    ):
        config(stratum="sequences", order=0.5)


@pytest.mark.parametrize(
    ("name", "axis", "sign", "step"),
    [("right", 0, 1, "right"), ("left", 0, -1, "right"), ("down", 1, 1, "down"), ("up", 1, -1, "down")],
)
def test_the_actor_moves_by_its_zoomed_step_and_nothing_else_moves(name, axis, sign, step):
    for key in range(10):
        scene = scene_of((name, "turn_cw"), key)
        tracks = without_camera(scene)
        moved = tracks[axis][-1] - tracks[axis][0]
        assert 0.82 <= sign * moved[ACTOR] / getattr(scene.steps, step) <= 1.0
        others = np.abs(np.delete(moved, [ACTOR, VISITOR]))
        assert others.max() < 1e-12
        assert abs(tracks[1 - axis][-1, ACTOR] - tracks[1 - axis][0, ACTOR]) < 1e-12


def test_sizes_and_distances_follow_their_sub_actions():
    scene = scene_of(("grow", "approach"))
    ratio = scene.radius[-1, ACTOR] / scene.radius[0, ACTOR]
    assert ratio == pytest.approx(np.exp(scene.steps.growth), rel=0.01)
    gap = np.hypot(scene.x[:, FIRST] - scene.x[:, SECOND], scene.y[:, FIRST] - scene.y[:, SECOND])
    expected = scene.steps.near / (scene.steps.near + scene.steps.reach)
    assert gap[-1] / gap[0] == pytest.approx(expected, rel=0.01)


def test_the_item_and_the_visitor_come_and_go():
    for key in range(10):
        come, go = scene_of(("appear", "enter"), key), scene_of(("vanish", "leave"), key)
        assert come.radius[0, ITEM] < 0.01 * come.radius[-1, ITEM]
        assert go.radius[-1, ITEM] < 0.01 * go.radius[0, ITEM]
        for scene, outside, inside in ((come, 0, -1), (go, -1, 0)):
            place, radius = np.array([scene.x[:, VISITOR], scene.y[:, VISITOR]]), scene.radius[0, VISITOR]
            beyond = np.maximum(-place, place - 1.0).max(axis=0)
            assert beyond[outside] > radius
            assert beyond[inside] < 0.0


def test_everything_placed_lies_inside_the_frame():
    for key in range(40):
        scene = scene_of(("right", "down", "push"), key)
        cast = [ACTOR, FIRST, SECOND, ITEM]
        for track in without_camera(scene):
            assert (track - scene.radius)[:, cast].min() > -0.2
            assert (track + scene.radius)[:, cast].max() < 1.2
            assert ((track[:, cast] > -0.1) & (track[:, cast] < 1.1)).all()


def test_what_a_class_does_not_use_does_not_depend_on_it():
    """The same stream with other sub-actions: same steps, cast, camera, free levels, and sizes at level 0."""
    for key in range(20):
        one, other = scene_of(("right", "bounce"), key), scene_of(("swap_cw", "grow"), key)
        assert one.steps == other.steps
        assert one.num_objects == other.num_objects
        np.testing.assert_array_equal(one.camera, other.camera)
        np.testing.assert_allclose(one.radius[0, [FIRST, VISITOR]], other.radius[0, [FIRST, VISITOR]])
        free = set(QUANTITIES) - {"x", "size"}
        assert all(one.start_levels[q] == other.start_levels[q] for q in free)


@pytest.mark.parametrize("stratum", ["sets", "sequences"])
def test_marginals_are_balanced_over_classes(stratum):
    """Chi-square: cast size by class, and the level of every free quantity; once each at p = 0.001."""
    classes = [c for c in draw_classes(stratum, SEED) if c.split == "test"]
    casts, levels = np.zeros((len(classes), MAX_BYSTANDERS + 1)), {q: np.zeros(2) for q in QUANTITIES}
    for row, definition in enumerate(classes):
        used = {PRIMITIVES[name].quantity for name in definition.names}
        for index in range(40):
            scene = make_clip_scene(stratum, definition.names, index)
            casts[row, scene.num_objects - 5] += 1
            for quantity in set(QUANTITIES) - used:
                levels[quantity][scene.start_levels[quantity]] += 1
    assert stats.chi2_contingency(casts).pvalue > 0.001
    assert stats.chisquare(casts.sum(axis=0)).pvalue > 0.001
    for quantity, counts in levels.items():
        assert stats.chisquare(counts).pvalue > 0.001, quantity


def make_clip_scene(stratum: str, names: tuple[str, ...], index: int):
    return draw_scene(
        Draws("marginals", stratum, "-".join(names), index),
        names,
        draw_schedule(Draws(0), len(names), 0.0),
        8,
    )
