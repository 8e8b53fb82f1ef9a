"""Matchers: score a query's candidates against those of labelled supports."""

from a2m2.matching.a2 import A2Matcher
from a2m2.matching.base import Matcher
from a2m2.matching.diagonal import DiagonalMatcher
from a2m2.matching.gram import PairCosines, pair_cosines
from a2m2.matching.protonet import ProtoNetMatcher

__all__ = ["A2Matcher", "DiagonalMatcher", "Matcher", "PairCosines", "ProtoNetMatcher", "pair_cosines"]
