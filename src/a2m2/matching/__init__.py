"""Matchers: score a query's candidates against those of labelled supports."""

from a2m2.matching.a2 import A2Matcher
from a2m2.matching.base import Matcher
from a2m2.matching.bi_mhm import BiMHMMatcher
from a2m2.matching.chamfer import ChamferMatcher
from a2m2.matching.diagonal import DiagonalMatcher
from a2m2.matching.gram import PairCosines, pair_cosines
from a2m2.matching.hyrsm import HyRSMMatcher
from a2m2.matching.linear_probe import LinearProbeMatcher
from a2m2.matching.otam import OTAMMatcher
from a2m2.matching.protonet import ProtoNetMatcher
from a2m2.matching.trx import TRXMatcher

__all__ = [
    "A2Matcher",
    "BiMHMMatcher",
    "ChamferMatcher",
    "DiagonalMatcher",
    "HyRSMMatcher",
    "LinearProbeMatcher",
    "Matcher",
    "OTAMMatcher",
    "PairCosines",
    "ProtoNetMatcher",
    "TRXMatcher",
    "pair_cosines",
]
