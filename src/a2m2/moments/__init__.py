"""Second-order moments: windows, covariance, matrix square root, vectorisation. Pure functions of tensors."""

from a2m2.moments.covariance import covariance, full_precision
from a2m2.moments.root import newton_schulz_sqrt
from a2m2.moments.triangle import triu_length, triu_matrix, triu_vector
from a2m2.moments.window_moments import window_covariances, window_means
from a2m2.moments.windows import DEFAULT_SCALES, Scale, candidate_windows, window_spans

__all__ = [
    "DEFAULT_SCALES",
    "Scale",
    "candidate_windows",
    "covariance",
    "full_precision",
    "newton_schulz_sqrt",
    "triu_length",
    "triu_matrix",
    "triu_vector",
    "window_covariances",
    "window_means",
    "window_spans",
]
