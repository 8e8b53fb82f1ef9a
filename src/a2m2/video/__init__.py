"""Video files and frame folders to tensors, and back."""

from a2m2.video.policies import (
    Policy,
    sample_index,
    segment_center,
    segment_random,
    sliding_windows,
    uniform,
)
from a2m2.video.reader import (
    Check,
    TimedFrame,
    VideoInfo,
    iter_frames,
    probe,
    read_clip,
    read_frames,
    read_frames_at,
    read_many,
)
from a2m2.video.transforms import center_crop, prepare, resize_short, to_float
from a2m2.video.writer import Codec, Rotation, write_clip

__all__ = [
    "Check",
    "Codec",
    "Policy",
    "Rotation",
    "TimedFrame",
    "VideoInfo",
    "center_crop",
    "iter_frames",
    "prepare",
    "probe",
    "read_clip",
    "read_frames",
    "read_frames_at",
    "read_many",
    "resize_short",
    "sample_index",
    "segment_center",
    "segment_random",
    "sliding_windows",
    "to_float",
    "uniform",
    "write_clip",
]
