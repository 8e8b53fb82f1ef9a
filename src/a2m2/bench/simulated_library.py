"""Descriptors of as many clips as asked, with the statistics of real ones and a seed.

Clips are rendered (``synth``, 24 classes of 5) and described by a network. A simulated clip is

    mean of the rendered + √ρ · prototype of its action, shifted in time + √(1 − ρ) · its own deviation,

where prototypes and deviations are random combinations (normal, weights 1/√clips) of the rendered clips' deviations
from their mean. So means and covariances over candidates and entries are those of the rendered descriptors, and with
them cosines within a clip, between scales and between clips. ρ is the share of the variance that lies between classes,
by a one-way analysis of variance of the rendered clips.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from a2m2.eval.describe import concatenate
from a2m2.matching.units import centred_units
from a2m2.recognize.clips import sample_clip
from a2m2.recognize.encoders import ClipEncoder
from a2m2.structures import Descriptors
from a2m2.synth import SynthConfig, draw_classes, make_clip

CLASSES, CLIPS = 24, 5
BLOCK = 128
"""Clips that are drawn together."""

_SHIFT = 1.0
"""Largest shift of a prototype, in sampled frames."""


@dataclass(frozen=True, eq=False, repr=False)
class Simulator:
    """Clips by their number.

    Attributes:
        rendered: what the statistics come from, classes one after the other.
        centre: ``(node, dim)`` mean of the rendered unit candidates.
        deviations: ``(clip, node, dim)`` of the rendered clips from it.
        prototypes: ``(action, node, dim)``.
        share: ρ.
        seed: of everything drawn.
    """

    rendered: Descriptors
    centre: Float[Tensor, "node dim"]
    deviations: Float[Tensor, "clip node dim"]
    prototypes: Float[Tensor, "action node dim"]
    share: float
    seed: int

    def block(self, number: int, count: int = BLOCK) -> Descriptors:
        """The first ``count`` clips of a block; the same whatever else was drawn. Actions are drawn, too.

        Negative blocks are as good as others, and serve as queries.
        """
        generator = _generator(self.seed, f"block {number}")
        action = torch.randint(len(self.prototypes), (BLOCK,), generator=generator)
        shift = (2 * torch.rand(BLOCK, generator=generator) - 1) * _SHIFT
        own = _combined(self.deviations, BLOCK, generator)
        variable = self.share**0.5 * shifted(self.prototypes[action], shift, self.rendered)
        units = functional.normalize(self.centre + variable + (1 - self.share) ** 0.5 * own, dim=-1)
        return self._descriptors(units[:count])

    def actions(self, number: int) -> Tensor:
        """``(clip,)`` actions of the clips of a block."""
        return torch.randint(
            len(self.prototypes), (BLOCK,), generator=_generator(self.seed, f"block {number}")
        )

    def _descriptors(self, units: Float[Tensor, "clip node dim"]) -> Descriptors:
        """Values that have these unit vectors once they are centred, of the size that real ones have."""
        rendered, mean = self.rendered, self.rendered.mean
        real = rendered.values if mean is None else rendered.values - mean
        values = units * real.norm(dim=-1).mean()
        count = len(units)
        return Descriptors(
            values=values if mean is None else values + mean,
            spans=rendered.spans[:1].expand(count, -1, -1).float(),
            windows=rendered.windows,
            scale=rendered.scale,
            energy=rendered.energy[:1].expand(count, -1),
            mean=mean,
            blocks=rendered.blocks,
        )


def make_simulator(rendered: Descriptors, *, actions: int, seed: int) -> Simulator:
    """A simulator of so many actions; ``rendered`` holds :data:`CLIPS` clips of each class, one after the other."""
    units = centred_units(rendered.values, rendered.mean, rendered.blocks)
    centre = units.mean(0)
    deviations = units - centre
    prototypes = _combined(deviations, actions, _generator(seed, "prototypes"))
    return Simulator(rendered, centre, deviations, prototypes, between_share(deviations), seed)


def shifted(
    values: Float[Tensor, "clip node dim"], shift: Float[Tensor, "clip"], like: Descriptors
) -> Float[Tensor, "clip node dim"]:
    """Candidates ``shift`` sampled frames later, each scale for itself: in between by interpolation, the ends repeat.

    Args:
        values: of clips with the windows and scales of ``like``.
        shift: in sampled frames, one a clip.
        like: has them.
    """
    out = values.clone()
    clip = torch.arange(len(values))[:, None]
    for level in like.scale.unique():
        nodes = torch.nonzero(like.scale == level).flatten()
        length = int(like.windows[nodes[0], 1] - like.windows[nodes[0], 0])
        place = (torch.arange(len(nodes)) - shift[:, None] / length).clamp(0, len(nodes) - 1)
        low = place.floor().long()
        high = (low + 1).clamp_max(len(nodes) - 1)
        part, weight = values[:, nodes], (place - low)[..., None]
        out[:, nodes] = (1 - weight) * part[clip, low] + weight * part[clip, high]
    return out


def between_share(deviations: Float[Tensor, "clip node dim"]) -> float:
    """Share of the variance that lies between classes (one-way random effects, summed over all entries)."""
    classes = deviations.view(-1, CLIPS, *deviations.shape[1:]).double()
    within = float(classes.var(1).sum((-2, -1)).mean())
    of_means = float(classes.mean(1).var(0).sum())
    between = max(0.0, of_means - within / CLIPS)
    return between / (between + within)


def rendered_descriptors(encoder: ClipEncoder, *, seed: int) -> Descriptors:
    """Clips of action sequences in all looks, rendered and described."""
    config = SynthConfig(
        stratum="sequences", timing=0.5, style="varied", seed=seed, size=encoder.video.crop, num_frames=24
    )
    return concatenate(
        [
            encoder.describe(
                [sample_clip(make_clip(config, one, index).frames(), encoder.video) for index in range(CLIPS)]
            )
            for one in draw_classes("sequences", seed)[:CLASSES]
        ]
    )


def _combined(
    deviations: Float[Tensor, "clip node dim"], count: int, generator: torch.Generator
) -> Float[Tensor, "drawn node dim"]:
    weights = torch.randn(count, len(deviations), generator=generator) / np.sqrt(len(deviations))
    return torch.einsum("kc,cnd->knd", weights, deviations)


def _generator(seed: int, what: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed} {what}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:6]))
