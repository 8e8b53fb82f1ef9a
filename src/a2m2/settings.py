"""The sections of an evaluation's configuration. Every field's doc line is its help text.

Whether a default is the paper's, inferred from its authors' earlier work, or our choice stands in
docs/method-choices.md.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from a2m2.config import Section

Stage = str | int
DIFFERENCES = ("difference", "central")
"""Calibrations that append a difference, as many channels again, and have no weights."""
ProbeKind = Literal["reversed", "twins", "shuffled"]
FitSource = Literal["auto", "train", "supports", "transductive"]


class VideoSettings(Section):
    """Which frames are read and how large they are."""

    num_frames: int = Field(default=8, ge=1)
    """Frames sampled from each clip."""
    policy: Literal["segment_center", "uniform"] = "segment_center"
    """Which frames: the centre of each of num_frames equal segments, or evenly spaced with both ends."""
    resize: int = Field(default=224, ge=8)
    """Short side after resizing, in pixels."""
    crop: int = Field(default=224, ge=8)
    """Side of the centre crop, in pixels; at most resize."""

    @model_validator(mode="after")
    def _crop_fits(self) -> VideoSettings:
        if self.crop > self.resize:
            raise ValueError(f"crop {self.crop} is larger than resize {self.resize}")
        return self


class BackboneSettings(Section):
    """The network (or filter bank) that turns frames into feature maps."""

    source: str = "motion-filters"
    """A transformers folder, a hub name, 'motion-filters', 'small-cnn' (to train), or 'random:NAME'."""
    last_stride: Literal[1, 2] = 2
    """Stride of a ResNet's last stage; 1 keeps 14×14 maps at 224 px."""
    random_seed: int = 0
    """Seed of random weights."""
    difference: bool = False
    """Let the last stage of small-cnn or a ResNet see differences to neighbouring frames too (to train)."""


class M2Settings(Section):
    """The M² block: what descriptors a clip becomes."""

    stages: tuple[Stage, ...] = ("mid",)
    """Backbone stages: mid, last, pooled (spatial mean of last) or a hidden-state index; several are joined."""
    order: Literal["first", "second", "third", "brownian", "first+second"] = "second"
    """Statistic of each window: mean, covariance, third moment, Brownian distance covariance, or two of them."""
    calibration: Literal["none", "difference", "central", "tsa", "tca", "tsa+tca"] = "difference"
    """Append the difference to the previous frame, or between both neighbours (central); tsa and tca are trained."""
    reduction: Literal["pca", "conv"] = "pca"
    """Principal components fitted on clips, or two 1×1 convolutions, which are trained."""
    components: int | None = Field(default=32, ge=1)
    """Channels kept by the reduction of each stage; null for no reduction (pca only)."""
    hidden: int = Field(default=256, ge=1)
    """Channels between the two convolutions of the reduction."""
    scales: tuple[tuple[int, ...], ...] = ((1, 1), (2, 2), (4, 4))
    """Windows over the sampled frames, each (window, stride[, spatial pool[, regions]])."""
    root: Literal["newton_schulz", "log_euclidean", "cholesky", "none"] = "newton_schulz"
    """Map of a covariance: square root by Newton–Schulz steps, logarithm, Cholesky factor, or the covariance itself."""
    newton_steps: int = Field(default=3, ge=1)
    """Newton–Schulz steps of the matrix square root."""
    eps: float = Field(default=1e-9, ge=0)
    """Multiple of the identity added to a covariance before its root; keeps other statistics from dividing by 0."""
    shrinkage: float = Field(default=0.1, ge=1e-3, le=1)
    """Share of the mean variance added to every direction before log_euclidean or cholesky, which need full rank."""
    sketch_length: int = Field(default=256, ge=2, multiple_of=2)
    """Numbers that stand for the third moment of a window, by random projection."""
    sketch_seed: int = Field(default=0, ge=0)
    """Seed of that projection."""
    scale_off_diagonal: bool = False
    """Multiply off-diagonal entries by √2 when vectorising."""
    center: bool = True
    """Subtract the mean descriptor of the fitting clips before the cosine."""

    @model_validator(mode="after")
    def _convolutions_know_their_number(self) -> M2Settings:
        if self.reduction == "conv" and self.components is None:
            raise ValueError("components is null, but reduction conv needs a number; give one, 128 in TCPNet")
        return self

    @model_validator(mode="after")
    def _a_factor_has_each_entry_once(self) -> M2Settings:
        if self.root == "cholesky" and self.scale_off_diagonal:
            raise ValueError(
                "scale_off_diagonal is for symmetric matrices, root cholesky gives triangular ones; set it to false"
            )
        return self

    @property
    def kind(self) -> str:
        """The statistic in words, as an adjective for descriptors and moments."""
        if self.order == "brownian":
            return "Brownian-distance"
        if self.order in ("first", "third") or self.root == "newton_schulz":
            return f"{self.order}-order"
        return f"{self.order}-order ({self.root})"

    @property
    def statistic(self) -> tuple[str | int, ...]:
        """What a descriptor is a statistic of: settings under which mean descriptors cannot be exchanged."""
        return self.order, self.root, self.sketch_length, self.sketch_seed

    @property
    def trained(self) -> bool:
        """Whether some of its parts have weights that training has to find."""
        return self.reduction == "conv" or self.calibration not in ("none", *DIFFERENCES)


class A2Settings(Section):
    """The A² module: how candidates are aligned."""

    weights: Literal["cross_reference", "uniform", "softmax", "energy", "gate"] = "cross_reference"
    """Mass of each candidate; energy is motion energy, gate is learnt."""
    weight_source: Literal["raw", "centred"] = "raw"
    """Descriptors that the weights are computed on."""
    sharpness: float = Field(default=5.0, gt=0)
    """Sharpness κ of softmax weights."""
    shots: Literal["per_video", "prototype", "union"] = "per_video"
    """How several support clips of a class are used."""
    order_prior: float = Field(default=0.0, ge=0)
    """Weight λ of the distance in time or progress that is added to the cost; 0 for none."""
    order_axis: Literal["time", "progress"] = "time"
    """What the order prior measures on: time, or the share of motion that has passed."""
    temperature: float = Field(default=12.5, gt=0)
    """Scale τ of the scores."""
    learn_temperature: bool = False
    """Let training find τ, starting from temperature."""
    width: int = Field(default=128, ge=8, multiple_of=8)
    """Channels inside the learnt matchers trx and hyrsm, a multiple of 8; 1152 in TRX's paper."""
    tolerance: float = Field(default=0.0, ge=0, lt=1)
    """Largest relative error of the transport where no gradient is wanted, certified; 0 is exact. For long videos."""


class TaskSettings(Section):
    """One kind of few-shot task."""

    way: int = Field(default=5, ge=2)
    """Classes in an episode."""
    shot: int = Field(default=1, ge=1)
    """Labelled clips a class."""
    query: int = Field(default=1, ge=1)
    """Clips to recognise a class."""


class ProtocolSettings(TaskSettings):
    """The few-shot tasks of an evaluation."""

    episodes: int = Field(default=10_000, ge=1)
    """Number of episodes."""
    seed: int = Field(default=0, ge=0)
    """Seed of the episodes."""


class EvaluateSettings(Section):
    """Everything that fixes an evaluation."""

    data: str
    """Folder ROOT/[SPLIT/]CLASS/clip.ext, or a manifest CSV."""
    weights: tuple[str, ...] = ()
    """Trained networks to test side by side: training folders or .safetensors files; none tests without training."""
    split: tuple[str, ...] = ("test",)
    """Splits to test on, pooled; ignored by a folder without splits."""
    methods: tuple[str, ...] | None = None
    """Methods to run side by side on the same episodes; null for the standard ones, or each network's own."""
    fit: FitSource = "auto"
    """Where reduction and mean descriptor come from: train split, each episode's supports, or all test clips."""
    probe: ProbeKind | None = None
    """Ask what a method knows of order: a class against its reverse, look-alike twins, or queries shuffled in time."""
    fit_max_clips: int = Field(default=1000, ge=1)
    """Most clips of the train split to fit on, spread evenly over its classes."""
    video: VideoSettings = VideoSettings()
    backbone: BackboneSettings = BackboneSettings()
    m2: M2Settings = M2Settings()
    a2: A2Settings = A2Settings()
    protocol: ProtocolSettings = ProtocolSettings()
