"""What is painted: blobs with an outline, and limbs between two points, in every frame of a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from a2m2.synth.scene import FIRST, SECOND, Scene

BLOB, LIMB = 0, 1


@dataclass(frozen=True, eq=False)
class Parts:
    """Everything that moves, in units of the frame's width.

    Attributes:
        kinds: ``BLOB`` or ``LIMB``.
        tracks: of a blob x, y, radius, cosine and sine of its angle, 0; of a limb x, y of its start, x, y of its end,
            and its radii there.
        owners: parts of one owner may look alike: an object, or a whole figure.
        order: parts from back to front.
    """

    kinds: Int[np.ndarray, "part"]
    tracks: Float[np.ndarray, "frame part 6"]
    owners: Int[np.ndarray, "part"]
    order: Int[np.ndarray, "part"]

    def __len__(self) -> int:
        return len(self.kinds)


def parts_of_scene(scene: Scene, depth: tuple[int, ...]) -> Parts:
    """The objects of a scene as blobs, painted in the order ``depth``, the first of the pair before the second."""
    still = np.zeros_like(scene.x)
    tracks = np.stack(
        [scene.x, scene.y, scene.radius, np.cos(scene.angle), np.sin(scene.angle), still], axis=2
    )
    order = list(depth)
    first, second = order.index(FIRST), order.index(SECOND)
    if first < second:
        order[first], order[second] = SECOND, FIRST
    count = scene.num_objects
    return Parts(np.full(count, BLOB), tracks, np.arange(count), np.array(order))


def join_parts(back: Parts, front: Parts) -> Parts:
    """Both, the second in front of the first."""
    return Parts(
        np.concatenate([back.kinds, front.kinds]),
        np.concatenate([back.tracks, front.tracks], axis=1),
        np.concatenate([back.owners, front.owners + back.owners.max(initial=-1) + 1]),
        np.concatenate([back.order, front.order + len(back)]),
    )
