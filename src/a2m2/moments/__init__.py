"""Moments of windows: covariance and maps of it, third order, vectorisation. Pure functions of tensors."""

from a2m2.moments.brownian import brownian_matrix
from a2m2.moments.cholesky import cholesky_root
from a2m2.moments.covariance import covariance, full_precision
from a2m2.moments.lengths import Order, Root, block_sizes
from a2m2.moments.logarithm import symmetric_log
from a2m2.moments.root import newton_schulz_sqrt
from a2m2.moments.third_moment import cube_projection, window_third_moments
from a2m2.moments.triangle import triu_length, triu_matrix, triu_vector
from a2m2.moments.window_moments import window_covariances, window_means
from a2m2.moments.windows import DEFAULT_SCALES, Scale, candidate_windows, window_spans

__all__ = [
    "DEFAULT_SCALES",
    "Order",
    "Root",
    "Scale",
    "block_sizes",
    "brownian_matrix",
    "candidate_windows",
    "cholesky_root",
    "covariance",
    "cube_projection",
    "full_precision",
    "newton_schulz_sqrt",
    "symmetric_log",
    "triu_length",
    "triu_matrix",
    "triu_vector",
    "window_covariances",
    "window_means",
    "window_spans",
    "window_third_moments",
]
