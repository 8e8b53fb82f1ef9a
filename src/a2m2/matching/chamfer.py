"""Chamfer matching, and matching by the best pair (Bertrand et al., SCIA 2023, arXiv 2303.16084).

    query:    1/n Σ_i max_j cos(u_i, v_j)      each candidate of the query is looked for in the support
    support:  1/m Σ_j max_i cos(u_i, v_j)      each candidate of the support is looked for in the query
    both:     the mean of the two
    max form: max_ij cos(u_i, v_j)             the one best pair, the same from both sides
    score     = τ · that, averaged over the shots of a class

Departures: cosines of centred descriptors; candidates of all scales form one set; the shots of a class are matched one
by one, where Chamfer++ also joins them, and single candidates are matched, where it also takes ordered tuples. With
``both`` this is the score of Bi-MHM, which the two papers reach from different sides.
"""

from __future__ import annotations

from typing import Literal, get_args

from jaxtyping import Float, Int
from torch import Tensor

from a2m2.matching.base import Matcher, check_labels, class_mean
from a2m2.matching.gram import pair_cosines
from a2m2.matching.nearest import Direction, mean_nearest
from a2m2.matching.temperature import Temperature
from a2m2.structures import Descriptors, Evidence, Match

Form = Literal["mean", "max"]


class ChamferMatcher(Matcher):
    """Cosines to the nearest candidate, averaged over those that look, or the largest of them.

    Args:
        direction: whose candidates look for their nearest: those of the ``query``, of the ``support``, or ``both``.
            The ``max`` form does not depend on it.
        form: ``mean`` over the candidates that look, or ``max``, the best pair alone.
        temperature: τ.
        learn_temperature: make τ a parameter.
    """

    mean_of_pairs = True
    aligns = True

    def __init__(
        self,
        *,
        direction: Direction = "query",
        form: Form = "mean",
        temperature: float = 12.5,
        learn_temperature: bool = False,
    ) -> None:
        super().__init__()
        if direction not in get_args(Direction):
            raise ValueError(f"expected direction query, support or both, got {direction!r}")
        if form not in get_args(Form):
            raise ValueError(f"expected form mean or max, got {form!r}")
        self.direction: Direction = direction
        self.form: Form = form
        self.temperature = Temperature(temperature, learn=learn_temperature)

    def forward(
        self,
        support: Descriptors,
        support_labels: Int[Tensor, "support"],
        query: Descriptors,
        *,
        num_classes: int,
    ) -> Match:
        check_labels(support, support_labels, num_classes)
        cosine = pair_cosines(query, support).centred
        similarity, plan = best_pair(cosine) if self.form == "max" else mean_nearest(cosine, self.direction)
        score = self.temperature() * similarity
        evidence = Evidence(plan, cosine.detach(), support_labels)
        return Match(class_mean(score, support_labels, num_classes), evidence)


def best_pair(
    similarity: Float[Tensor, "query target node target_node"],
) -> tuple[Float[Tensor, "query target"], Float[Tensor, "query target node target_node"]]:
    """The largest similarity of any two candidates, and the mass 1 on that pair, shared where several are equal."""
    best = similarity.amax((-2, -1), keepdim=True)
    links = (similarity == best).to(similarity.dtype)
    return best[..., 0, 0], (links / links.sum((-2, -1), keepdim=True)).detach()
