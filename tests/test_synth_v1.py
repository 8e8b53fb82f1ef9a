"""synth-v1 is frozen: definitions and rendered frames to the last bit, decoded frames within the codec's loss."""

from __future__ import annotations

import av
import numpy as np
import pytest

from a2m2.synth import VERSION, SynthConfig, definitions_digest, draw_classes, make_clip
from a2m2.synth.clip import CRF
from a2m2.synth.v1 import V1_DEFINITIONS, V1_REFERENCE, V1_SEED, V1_VIDEO_LIBRARIES, array_digest
from a2m2.video import write_clip

CHANGED = "the generator changed: synth-v1 must stay as it is; give the new one a new VERSION and new digests"


def video_libraries() -> str:
    codec, scale = av.library_versions["libavcodec"], av.library_versions["libswscale"]
    return f"PyAV {av.__version__}, libavcodec {'.'.join(map(str, codec))}, libswscale {'.'.join(map(str, scale))}"


def test_v1_is_the_default():
    assert VERSION == "synth-v1"
    assert SynthConfig().seed == V1_SEED
    assert {reference.stratum for reference in V1_REFERENCE} == {"sets", "sequences"}
    assert {reference.timing for reference in V1_REFERENCE} >= {0.0, 1.0}


@pytest.mark.parametrize("stratum", ["sets", "sequences"])
def test_definitions_are_frozen(stratum):
    assert definitions_digest(draw_classes(stratum, V1_SEED)) == V1_DEFINITIONS[stratum], CHANGED


@pytest.mark.parametrize("reference", V1_REFERENCE, ids=lambda r: f"{r.stratum}-{r.timing:g}-{r.order:g}")
def test_frames_are_frozen(reference, tmp_path):
    clip = make_clip(reference.config(), reference.definition(), reference.index)
    frames = clip.frames()
    assert array_digest(frames) == reference.rendered, CHANGED

    write_clip(tmp_path / "clip.mp4", frames, fps=reference.config().fps, crf=CRF)
    with av.open(tmp_path / "clip.mp4") as container:
        decoded = list(container.decode(video=0))
    pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in decoded]).transpose(0, 3, 1, 2)
    assert pictures.shape == frames.shape
    # The codec halves chroma, which costs most at the edges of coloured shapes; brightness hardly suffers.
    luma = np.array([0.299, 0.587, 0.114]).reshape(3, 1, 1)
    error = ((pictures.astype(float) - frames) * luma).sum(axis=1)
    assert np.sqrt((error**2).mean()) < 4.0
    if video_libraries() in V1_VIDEO_LIBRARIES:
        planes = np.stack([frame.to_ndarray() for frame in decoded])
        assert array_digest(planes) == reference.decoded, CHANGED
