"""What pre-training asks of the descriptors: which base class a clip shows, and what its candidates show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from a2m2.errors import ConfigError, WeightsError
from a2m2.matching.units import centred_units
from a2m2.moments import Scale, candidate_windows
from a2m2.nn import Encoder
from a2m2.structures import Descriptors
from a2m2.train_settings import TrainSettings
from a2m2.weights import check_finite, read_tensors


def build_classifier(
    settings: TrainSettings, encoder: Encoder, *, num_classes: int, num_sub_actions: int = 0
) -> BaseClassifier:
    """The classifier that ``settings`` ask for on the descriptors of ``encoder``."""
    return BaseClassifier(
        dim=sum(encoder.dims),
        num_frames=settings.video.num_frames,
        scales=encoder.scales,
        num_classes=num_classes,
        num_sub_actions=num_sub_actions,
        feature_scale=settings.pretrain.feature_scale,
        dropout=settings.pretrain.dropout,
    )


def load_classifier(classifier: BaseClassifier, path: Path) -> None:
    """Give a classifier the weights of an earlier one; those of sub-actions are left where it learns none.

    Raises:
        WeightsError: the file cannot be read, or its weights are not finite.
        ConfigError: they are those of other classes or descriptors.
    """
    _, tensors = read_tensors(path)
    if classifier.sub_actions is None:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("sub_actions.")}
    kinds = {name: (tensor.shape, tensor.dtype) for name, tensor in classifier.state_dict().items()}
    if kinds != {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}:
        raise ConfigError(f"{path} is the classifier of other classes or descriptors; remove it")
    try:
        check_finite(tensors)
    except ValueError as error:
        raise WeightsError(f"{path} cannot be used ({error}); remove it, or train again") from None
    classifier.load_state_dict(tensors)


class BaseClassifier(nn.Module):
    """Logits of the base classes: the sum of a linear layer a scale and one that sees the order (our choice).

        logits = Σ_s W_s·mean_{i in s} u_i + W_o·[u_i]_{i in the coarsest scale, in order}

    with u centred descriptors of length ``feature_scale``. Without the last term nothing could see the order in which
    things happen, and orders are what many classes are. A linear layer more tells the sub-actions of every candidate.

    Args:
        dim: length of a descriptor.
        num_frames: frames of a clip.
        scales: the candidates' scales.
        num_classes: number of base classes.
        num_sub_actions: number of sub-actions; none are learnt when 0.
        feature_scale: length of u.
        dropout: on u.
    """

    node_scale: Tensor

    def __init__(
        self,
        *,
        dim: int,
        num_frames: int,
        scales: Sequence[Scale],
        num_classes: int,
        num_sub_actions: int = 0,
        feature_scale: float = 8.0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        _, node_scale = candidate_windows(num_frames, scales)
        self.register_buffer("node_scale", node_scale, persistent=False)
        self.coarsest = max(range(len(scales)), key=lambda index: scales[index].window)
        num_coarse = int((node_scale == self.coarsest).sum())
        self.feature_scale = feature_scale
        self.dropout = nn.Dropout(dropout)
        self.scales = nn.ModuleList(nn.Linear(dim, num_classes) for _ in scales)
        self.order = nn.Linear(num_coarse * dim, num_classes)
        self.sub_actions = nn.Linear(dim, num_sub_actions) if num_sub_actions else None
        if self.sub_actions is not None:
            # About one of them is going on in a candidate: without that the first steps learn nothing else.
            nn.init.constant_(self.sub_actions.bias, -math.log(num_sub_actions))

    def forward(
        self, descriptors: Descriptors
    ) -> tuple[Float[Tensor, "batch num_classes"], Float[Tensor, "batch node sub_action"] | None]:
        """Logits of the classes, and of the sub-actions in every candidate where these are learnt."""
        units = centred_units(descriptors.values, descriptors.mean, descriptors.blocks)
        units = self.dropout(self.feature_scale * units)
        logits = self.order(units[:, self.node_scale == self.coarsest].flatten(1))
        for index, linear in enumerate(self.scales):
            logits = logits + linear(units[:, self.node_scale == index].mean(1))
        return logits, None if self.sub_actions is None else self.sub_actions(units)
