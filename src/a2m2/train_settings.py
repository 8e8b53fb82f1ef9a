"""The sections of a training's configuration. Every field's doc line is its help text.

One file describes a network and both of its stages. Whether a default is the paper's, inferred from its authors'
earlier work, or our choice stands in docs/method-choices.md.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from a2m2.config import Section
from a2m2.settings import A2Settings, BackboneSettings, M2Settings, TaskSettings, VideoSettings

Stage = Literal["pretrain", "meta"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class NetworkSettings(Section):
    """What a network is: everything needed to build it again before its weights are read."""

    method: str = "a2m2_net"
    """Method whose matcher is trained and whose order of moments is taken."""
    video: VideoSettings = VideoSettings()
    backbone: BackboneSettings = BackboneSettings()
    m2: M2Settings = M2Settings()
    a2: A2Settings = A2Settings()


class AugmentSettings(Section):
    """What is done to training clips at random; every frame of a clip alike."""

    crop_scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)
    """Sides of the random crop as shares of the short side, one drawn a clip (multi-scale cropping)."""
    flip: bool = False
    """Mirror half of the clips; never where classes have directions, whose labels it would make wrong."""
    permute_colours: bool = False
    """Shuffle the three colour channels of each clip."""
    jitter: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Brightness and contrast are changed by up to this share."""

    @model_validator(mode="after")
    def _scales_are_shares(self) -> AugmentSettings:
        if not self.crop_scales or not all(0 < scale <= 1 for scale in self.crop_scales):
            raise ValueError("crop_scales must be shares in (0, 1], at least one; [1.0] crops nothing away")
        return self


class OptimizerSettings(Section):
    """How weights are changed."""

    kind: Literal["sgd", "adamw"] = "sgd"
    """SGD with Nesterov momentum, or AdamW."""
    lr: float = Field(default=1e-3, gt=0)
    """Learning rate of the backbone."""
    new_layer_factor: float = Field(default=5.0, gt=0)
    """Factor on it for layers that do not come from the backbone's weights."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """Weight decay; biases, norms and the temperature are spared."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of SGD."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """What happens to the learning rate after the warm-up."""
    milestones: tuple[float, ...] = (0.5, 0.75)
    """Shares of all steps after which schedule step divides the learning rate by ten."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises linearly."""
    clip_norm: float = Field(default=20.0, gt=0)
    """Largest norm of the whole gradient."""


class PretrainSettings(Section):
    """Stage 1: classification of the base classes."""

    steps: int = Field(default=1000, ge=0)
    """Steps of the optimiser; 0 writes the network as it starts."""
    batch: int = Field(default=16, ge=1)
    """Clips that one process takes at a time."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients are added up in one step; processes share them, so their number must divide this."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout before the classifiers; 0.8 on small sets."""
    feature_scale: float = Field(default=8.0, gt=0)
    """Length of the descriptors that the classifiers read."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of a label that is spread over all classes."""
    sub_action_weight: float = Field(default=0.0, ge=0)
    """Weight of a second loss: which sub-actions every candidate shows; above 0, clips need annotations."""
    mean_rate: float = Field(default=0.05, gt=0, le=1)
    """How fast the running mean descriptor follows the batches."""
    freeze_batch_norm: bool = True
    """Keep the statistics of the backbone's batch norms; small sets overfit otherwise. Off for small-cnn."""
    optimizer: OptimizerSettings = OptimizerSettings()


class MetaSettings(TaskSettings):
    """Stage 2: episodes of base classes, as they will be tested."""

    steps: int = Field(default=1000, ge=0)
    """Steps of the optimiser; 0 writes the network as it starts."""
    episodes_per_step: int = Field(default=8, ge=1)
    """Episodes whose gradients are added up in one step, shared by the processes, whose number must divide this; steps
    of one episode are known to break results."""
    query: int = Field(default=5, ge=1)
    """Clips to recognise a class."""
    mean_rate: float = Field(default=0.25, gt=0, le=1)
    """How fast the running mean descriptor follows the episodes; cosines suffer when it lags behind."""
    base_loss_weight: float = Field(default=0.0, ge=0)
    """Weight of the pre-training's classification loss beside the episodes' own."""
    optimizer: OptimizerSettings = OptimizerSettings(lr=1e-4)


class ValidationSettings(TaskSettings):
    """Episodes of validation classes, by which the best weights are chosen."""

    split: str = "val"
    """Split with the validation classes; never the test split."""
    every: int = Field(default=200, ge=1)
    """Steps from one validation to the next; the last step is always validated."""
    episodes: int = Field(default=500, ge=1)
    """Number of episodes, the same every time."""
    max_clips: int = Field(default=1000, ge=1)
    """Most clips, spread evenly over the classes."""

    @model_validator(mode="after")
    def _never_test(self) -> ValidationSettings:
        if self.split == "test":
            raise ValueError(
                "split is test; weights chosen on the test classes make their accuracy worthless. Name a "
                "split with other classes, such as val"
            )
        return self


class TrainSettings(NetworkSettings):
    """Everything that fixes both stages of a training."""

    data: str
    """Folder ROOT/SPLIT/CLASS/clip.ext, or a manifest CSV with splits."""
    split: str = "train"
    """Split with the base classes."""
    seed: int = Field(default=0, ge=0)
    """Seed of weights, batches, episodes, frames, crops and dropout."""
    augment: AugmentSettings = AugmentSettings()
    pretrain: PretrainSettings = PretrainSettings()
    meta: MetaSettings = MetaSettings()
    validation: ValidationSettings = ValidationSettings()
    precision: Precision = "32-true"
    """Arithmetic of the backbone; from the reduction's output on everything is float32."""
    checkpoint_backbone: bool = False
    """Compute the backbone's activations twice instead of keeping them: less memory, a third more time."""
    clips_in_memory: bool = False
    """Keep all frames of all training clips in memory once decoded, at the resized size; for small sets."""
    loader_workers: int = Field(default=2, ge=0)
    """Processes that decode ahead; 0 decodes between steps."""
    checkpoint_every: int = Field(default=100, ge=1)
    """Steps from one resumable checkpoint to the next."""
    log_every: int = Field(default=10, ge=1)
    """Steps from one line of metrics to the next; a line holds means over them."""

    @model_validator(mode="after")
    def _test_stays_unseen(self) -> TrainSettings:
        if self.split == "test":
            raise ValueError("split is test, which training must not see; name the split of the base classes")
        if self.split == self.validation.split:
            raise ValueError(f"split and validation.split are both {self.split!r}; their classes must differ")
        return self

    def stage(self, stage: Stage) -> dict[str, Any]:
        """What plays a part in one stage, as plain values: everything but the other stage's section.

        Meta-training keeps the section of pre-training when it has the classifier's loss beside its own.
        """
        other = {"pretrain": "meta", "meta": "pretrain"}[stage]
        if stage == "meta" and self.meta.base_loss_weight > 0:
            return self.model_dump(mode="json")
        return self.model_dump(mode="json", exclude={other})

    def network(self) -> NetworkSettings:
        """The part that says what the network is."""
        return NetworkSettings(**{name: getattr(self, name) for name in NetworkSettings.model_fields})
