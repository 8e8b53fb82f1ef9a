"""Looks other than the frozen benchmark's: motion stays what it was, and each style does what it says."""

from __future__ import annotations

import numpy as np
import pytest

from a2m2.synth import SynthConfig, draw_classes, make_clip
from a2m2.synth.draws import Draws
from a2m2.synth.lens import Lens, clear_lens
from a2m2.synth.paint import paint
from a2m2.synth.parts import BLOB, LIMB, Parts, join_parts
from a2m2.synth.textures import draw_texture

GREY = np.full((3, 128, 128), 0.5)


def one_part(kind: int, track: tuple[float, ...], num_frames: int = 1) -> Parts:
    tracks = np.tile(np.array(track), (num_frames, 1, 1))
    return Parts(np.array([kind]), tracks, np.array([0]), np.array([0]))


def painted(parts: Parts, *, camera=(0.0, 0.0, 0.0, 0.0), line: float = 0.0, size: int = 64) -> np.ndarray:
    """White parts on black, one colour."""
    count = len(parts)
    return paint(
        parts,
        outlines=np.ones((count, 96)),
        surfaces=np.ones((count, 3, 32, 32)),
        grain=np.full(count, 30.0),
        background=np.zeros((3, 128, 128)),
        camera=np.array([camera]),
        line=line,
        softness=1.0,
        size=size,
        frame_index=np.array([0]),
    )[0, 0]


def test_areas_are_those_of_the_shapes():
    disc = painted(one_part(BLOB, (0.5, 0.5, 0.25, 1.0, 0.0, 0.0)))
    assert disc.sum() == pytest.approx(np.pi * 16**2, rel=0.01)
    limb = painted(one_part(LIMB, (0.3, 0.5, 0.7, 0.5, 0.1, 0.1)))
    assert limb.sum() == pytest.approx(np.pi * 6.4**2 + 25.6 * 12.8, rel=0.01)
    ring = painted(one_part(BLOB, (0.5, 0.5, 0.25, 1.0, 0.0, 0.0)), line=1.0)
    assert ring.sum() == pytest.approx(2 * np.pi * 16 * 2.0, rel=0.03)


@pytest.mark.parametrize("kind", [BLOB, LIMB])
def test_the_camera_moves_everything(kind):
    track = (0.4, 0.45, 0.15, 1.0, 0.0, 0.0) if kind == BLOB else (0.3, 0.4, 0.5, 0.5, 0.08, 0.05)
    still = painted(one_part(kind, track))
    np.testing.assert_allclose(
        painted(one_part(kind, track), camera=(0.125, -0.0625, 0.0, 0.0)),
        np.roll(still, (-4, 8), axis=(0, 1)),
        atol=1e-9,
    )
    quarter = painted(one_part(kind, track), camera=(0.0, 0.0, np.pi / 2, 0.0))
    np.testing.assert_allclose(quarter, np.rot90(still, -1), atol=1e-6)
    nearer = painted(one_part(kind, track), camera=(0.0, 0.0, 0.0, np.log(1.5)))
    assert nearer.sum() == pytest.approx(1.5**2 * still.sum(), rel=0.03)


def test_parts_in_front_hide_those_behind():
    back = one_part(BLOB, (0.5, 0.5, 0.3, 1.0, 0.0, 0.0))
    both = join_parts(back, one_part(LIMB, (0.2, 0.5, 0.8, 0.5, 0.1, 0.1)))
    assert both.order.tolist() == [0, 1]
    assert both.owners.tolist() == [0, 1]
    surfaces = np.stack([np.full((3, 32, 32), 0.25), np.ones((3, 32, 32))])
    frame = paint(
        both,
        outlines=np.ones((2, 96)),
        surfaces=surfaces,
        grain=np.full(2, 30.0),
        background=GREY,
        camera=np.zeros((1, 4)),
        line=0.0,
        softness=1.0,
        size=64,
        frame_index=np.array([0]),
    )[0, 0]
    assert frame[32, 32] == pytest.approx(1.0)
    assert frame[20, 32] == pytest.approx(0.25)
    assert frame[2, 2] == pytest.approx(0.5)


@pytest.mark.parametrize("key", range(8))
def test_surfaces_repeat_without_a_seam(key):
    picture = draw_texture(Draws("surface", key), 64, colour=np.full(3, 0.5), contrast=0.1)
    assert picture.mean() == pytest.approx(0.5, abs=0.15)
    assert picture.std() == pytest.approx(0.1, rel=0.5)
    inner = np.abs(np.diff(picture, axis=2)).mean()
    seam = np.abs(picture[:, :, 0] - picture[:, :, -1]).mean()
    assert seam < 2.0 * inner


def test_a_clear_lens_changes_nothing_and_noise_belongs_to_its_frame():
    frames = np.random.default_rng(0).random((4, 3, 32, 32))
    index = np.arange(4)
    np.testing.assert_array_equal(
        clear_lens(4, 20).film(frames.copy(), index), (255 * frames + 0.5).astype(np.uint8)
    )
    lens = Lens(0.01, 16, np.ones(4), 1.2, 0.05, 7, 20)
    everything = lens.film(frames.copy(), index)
    np.testing.assert_array_equal(lens.film(frames[[2]].copy(), index[[2]])[0], everything[2])
    noisy = Lens(0.0, 0, np.ones(4), 1.0, 0.05, 7, 20).film(np.full((4, 3, 32, 32), 0.5), index)
    assert noisy.std() / 255 == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize("stratum", ["sets", "sequences", "figures"])
def test_styles_show_the_same_motion(stratum):
    definition = draw_classes(stratum, 9)[12]
    clips = {
        style: make_clip(SynthConfig(stratum=stratum, style=style, seed=9, size=48), definition, 2)
        for style in ("lines", "hatched", "camouflage", "varied")
    }
    assert len({clip.spans for clip in clips.values()}) == 1
    for style in ("hatched", "camouflage"):
        np.testing.assert_array_equal(clips[style].dress.parts.tracks, clips["lines"].dress.parts.tracks)
    assert len({clip.frames(np.array([16])).tobytes() for clip in clips.values()}) == 4


def test_camouflage_has_the_colours_of_the_background():
    def distance(style: str) -> float:
        config = SynthConfig(style=style, seed=9, size=48, num_frames=8)
        dresses = [make_clip(config, draw_classes("sets", 9)[i], i).dress for i in range(8)]
        return np.mean([np.abs(d.surfaces.mean((2, 3)) - d.background.mean((1, 2))).mean() for d in dresses])

    assert distance("camouflage") < 0.02 < distance("hatched")


def test_only_lines_are_contours():
    definition = draw_classes("figures", 9)[0]
    for style, contours in (("lines", True), ("hatched", False), ("varied", False)):
        config = SynthConfig(stratum="figures", style=style, seed=9, size=48, num_frames=8)
        assert all((make_clip(config, definition, i).dress.line > 0) == contours for i in range(3))
