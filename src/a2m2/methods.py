"""A method is a representation and a matcher, built by a plain function.

``METHODS`` names them. To add one, write a function that takes the settings and returns a :class:`Method`, and either
put it in the dictionary or name it as ``package.module:function`` on the command line or in a call. A file cannot: what
it names is not imported (:func:`known_method`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from a2m2.errors import ConfigError
from a2m2.matching import (
    A2Matcher,
    BiMHMMatcher,
    ChamferMatcher,
    DiagonalMatcher,
    HyRSMMatcher,
    LinearProbeMatcher,
    Matcher,
    OTAMMatcher,
    ProtoNetMatcher,
    TRXMatcher,
)
from a2m2.moments import block_sizes
from a2m2.reading import nearest_names, shorten
from a2m2.settings import DIFFERENCES, A2Settings, M2Settings


@dataclass(frozen=True)
class Method:
    """A named pair.

    Attributes:
        description: one line for tables.
        m2: what descriptors the matcher reads.
        matcher: scores queries against supports.
    """

    description: str
    m2: M2Settings
    matcher: Matcher


MethodBuilder = Callable[[M2Settings, A2Settings], Method]


def a2m2_net(m2: M2Settings, a2: A2Settings) -> Method:
    """A²M²-Net (arXiv 2509.17638): multi-scale second-order moments, aligned by exact optimal transport."""
    return Method(f"{_order(m2)} moments, exact optimal transport{_options(a2)}", m2, _a2_matcher(m2, a2))


def a2_first_order(m2: M2Settings, a2: A2Settings) -> Method:
    """The A² matcher on window means: what alignment does without second order."""
    first = m2.model_copy(update={"order": "first"})
    return Method(
        f"first-order moments, exact optimal transport{_options(a2)}", first, _a2_matcher(first, a2)
    )


def a2_ordered(m2: M2Settings, a2: A2Settings) -> Method:
    """A² with an order prior: that of the settings, or λ = 0.1 on motion progress where they have none (our choice)."""
    if a2.order_prior == 0:
        a2 = a2.model_copy(update={"order_prior": 0.1, "order_axis": "progress"})
    return a2m2_net(m2, a2)


def diagonal(m2: M2Settings, a2: A2Settings) -> Method:
    """The same descriptors compared index by index: what A² is without alignment."""
    return Method(f"{_order(m2)} moments, no alignment", m2, DiagonalMatcher(**_tau(a2)))


def diagonal_first_order(m2: M2Settings, a2: A2Settings) -> Method:
    """Window means compared index by index."""
    first = m2.model_copy(update={"order": "first"})
    return Method("first-order moments, no alignment", first, DiagonalMatcher(**_tau(a2)))


def protonet(m2: M2Settings, a2: A2Settings) -> Method:
    """ProtoNet (arXiv 1703.05175) on the mean second-order descriptor, cosine."""
    return Method(f"mean of {_order(m2)} moments, cosine", m2, ProtoNetMatcher(**_tau(a2)))


def protonet_euclidean(m2: M2Settings, a2: A2Settings) -> Method:
    """ProtoNet (arXiv 1703.05175) on the mean second-order descriptor, squared Euclidean distance."""
    return Method(f"mean of {_order(m2)} moments, Euclidean", m2, ProtoNetMatcher(metric="euclidean"))


def protonet_first_order(m2: M2Settings, a2: A2Settings) -> Method:
    """ProtoNet on the mean of the reduced features, cosine."""
    first = m2.model_copy(update={"order": "first"})
    return Method("mean of first-order moments, cosine", first, ProtoNetMatcher(**_tau(a2)))


def mean_feature(m2: M2Settings, a2: A2Settings) -> Method:
    """Mean of the backbone's last map over space and time, cosine: what practitioners do today."""
    plain = M2Settings(
        stages=("pooled",),
        order="first",
        calibration="none",
        components=None,
        scales=((1, 1),),
        center=False,
    )
    return Method("mean feature of the last map, cosine", plain, ProtoNetMatcher(**_tau(a2)))


def otam(m2: M2Settings, a2: A2Settings) -> Method:
    """OTAM (arXiv 1906.11415): the best alignment in order, by a soft minimum over paths."""
    return Method(f"{_order(m2)} moments, ordered alignment", m2, OTAMMatcher(**_tau(a2)))


def bi_mhm(m2: M2Settings, a2: A2Settings) -> Method:
    """Bidirectional mean Hausdorff metric (HyRSM, arXiv 2204.13423), on the descriptors as they are."""
    return Method(f"{_order(m2)} moments, mean Hausdorff", m2, BiMHMMatcher(**_tau(a2)))


def chamfer(m2: M2Settings, a2: A2Settings) -> Method:
    """Chamfer matching (arXiv 2303.16084): each candidate of the query looks for its nearest in the support."""
    return Method(f"{_order(m2)} moments, Chamfer from the query", m2, ChamferMatcher(**_tau(a2)))


def chamfer_support(m2: M2Settings, a2: A2Settings) -> Method:
    """Chamfer matching (arXiv 2303.16084): each candidate of the support looks for its nearest in the query."""
    matcher = ChamferMatcher(direction="support", **_tau(a2))
    return Method(f"{_order(m2)} moments, Chamfer from the support", m2, matcher)


def chamfer_max(m2: M2Settings, a2: A2Settings) -> Method:
    """Matching by the one best pair of candidates (arXiv 2303.16084)."""
    return Method(f"{_order(m2)} moments, best pair", m2, ChamferMatcher(form="max", **_tau(a2)))


def linear_probe(m2: M2Settings, a2: A2Settings) -> Method:
    """Logistic regression on the mean descriptors of each episode's supports, fitted anew each time."""
    return Method(f"mean of {_order(m2)} moments, linear probe", m2, LinearProbeMatcher(**_tau(a2)))


def trx(m2: M2Settings, a2: A2Settings) -> Method:
    """TRX (arXiv 2101.06184): cross-transformers over pairs and triples of candidates; to train."""
    matcher = TRXMatcher(dim=descriptor_length(m2), width=a2.width)
    return Method(f"{_order(m2)} moments, cross-transformers over tuples", m2, matcher)


def hyrsm(m2: M2Settings, a2: A2Settings) -> Method:
    """HyRSM (arXiv 2204.13423): relations inside and between videos, then Bi-MHM; to train."""
    matcher = HyRSMMatcher(dim=descriptor_length(m2), width=a2.width, **_tau(a2))
    return Method(f"{_order(m2)} moments, hybrid relations, mean Hausdorff", m2, matcher)


METHODS: dict[str, MethodBuilder] = {
    "a2m2_net": a2m2_net,
    "a2_ordered": a2_ordered,
    "a2_first_order": a2_first_order,
    "diagonal": diagonal,
    "diagonal_first_order": diagonal_first_order,
    "protonet": protonet,
    "protonet_euclidean": protonet_euclidean,
    "protonet_first_order": protonet_first_order,
    "mean_feature": mean_feature,
    "otam": otam,
    "bi_mhm": bi_mhm,
    "chamfer": chamfer,
    "chamfer_support": chamfer_support,
    "chamfer_max": chamfer_max,
    "linear_probe": linear_probe,
    "trx": trx,
    "hyrsm": hyrsm,
}


_IMPORTED: set[str] = set()
"""Methods of outsiders that somebody named in this process."""


def known_method(name: str) -> bool:
    """Whether a file may name this method: it is one of ours, or was found by :func:`find_method` before.

    To import what a file names would let the file choose what code is run.
    """
    return name in METHODS or name in _IMPORTED


def find_method(name: str) -> MethodBuilder:
    """The builder called ``name``: a key of ``METHODS``, or ``package.module:function`` of an outsider.

    Raises:
        ConfigError: no such method; the nearest name is given.
    """
    if name in METHODS:
        return METHODS[name]
    module_name, colon, function_name = name.partition(":")
    if not colon:
        nearest = nearest_names(name, METHODS)[0]
        raise ConfigError(
            f"unknown method '{shorten(name)}'; did you mean '{nearest}'? Known: {', '.join(METHODS)}"
        )
    try:
        builder = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"method '{name}' cannot be imported ({error}); expected package.module:function"
        ) from None
    if not callable(builder):
        raise ConfigError(f"method '{name}' is not a function; expected one that takes the settings")
    _IMPORTED.add(name)
    return builder


def _a2_matcher(m2: M2Settings, a2: A2Settings) -> A2Matcher:
    return A2Matcher(
        weights=a2.weights,
        weight_source=a2.weight_source,
        sharpness=a2.sharpness,
        shots=a2.shots,
        order_prior=a2.order_prior,
        order_axis=a2.order_axis,
        temperature=a2.temperature,
        learn_temperature=a2.learn_temperature,
        dim=descriptor_length(m2) if a2.weights == "gate" else None,
        num_threads=1,
        tolerance=a2.tolerance,
    )


def descriptor_length(m2: M2Settings) -> int:
    """Length of a joined descriptor.

    Raises:
        ConfigError: it depends on the backbone, because nothing reduces its channels.
    """
    if m2.components is None:
        raise ConfigError(
            "a matcher with learnt weights (trx, hyrsm, or a2.weights gate) needs to know the length of descriptors; "
            "give m2.components"
        )
    channels = m2.components * (2 if m2.calibration in DIFFERENCES else 1)
    return len(m2.stages) * sum(block_sizes(m2.order, channels, sketch_length=m2.sketch_length))


def _tau(a2: A2Settings) -> dict[str, Any]:
    return {"temperature": a2.temperature, "learn_temperature": a2.learn_temperature}


def _order(m2: M2Settings) -> str:
    return m2.kind


def _options(a2: A2Settings) -> str:
    """What differs from the plain matcher, for the one-line description."""
    parts = []
    if a2.weights != "cross_reference":
        parts.append(f"{a2.weights} weights")
    if a2.order_prior > 0:
        parts.append(f"order prior {a2.order_prior:g} on {a2.order_axis}")
    if a2.tolerance > 0:
        parts.append(f"within {a2.tolerance:g} of the optimum")
    return f" ({', '.join(parts)})" if parts else ""
