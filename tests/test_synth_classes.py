"""A hundred classes a stratum, whose definitions do not cross splits."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest

from a2m2.synth.classes import (
    FAMILY_SIZE,
    SPLIT_SIZES,
    backwards,
    definitions_digest,
    draw_classes,
    family_key,
)
from a2m2.synth.primitives import PRIMITIVES, first_levels, is_permutable

SEEDS = (1, 1001, 1002)


@pytest.mark.parametrize("stratum", ["sets", "sequences"])
@pytest.mark.parametrize("seed", SEEDS)
def test_there_are_a_hundred_distinct_legal_classes_with_safe_names(stratum, seed):
    classes = draw_classes(stratum, seed)
    assert Counter(c.split for c in classes) == SPLIT_SIZES
    assert len({c.name for c in classes}) == 100
    for definition in classes:
        assert is_permutable(definition.names)
        first_levels(definition.names)
        assert re.fullmatch(r"[a-z_]+([+-][a-z_]+){1,3}", definition.name)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_set_is_in_two_classes(seed):
    classes = draw_classes("sets", seed)
    assert len({frozenset(c.names) for c in classes}) == 100
    assert {len(c.names) for c in classes} == {2, 3, 4}


@pytest.mark.parametrize("seed", SEEDS)
def test_families_of_permuted_and_reversed_twins_stay_in_one_split(seed):
    classes = draw_classes("sequences", seed)
    splits: dict[object, set[str]] = {}
    for definition in classes:
        splits.setdefault(family_key(definition.names), set()).add(definition.split)
    assert all(len(found) == 1 for found in splits.values())
    assert len(splits) == 100 // FAMILY_SIZE
    by_name = {c.names: c.split for c in classes}
    reversed_twins = sum(names[::-1] in by_name for names in by_name)
    film_twins = sum(backwards(names) in by_name for names in by_name)
    permuted_twins = sum(
        any(set(names) == set(other) and other not in (names, names[::-1]) for other in by_name)
        for names in by_name
    )
    assert min(reversed_twins, film_twins, permuted_twins) >= 30


@pytest.mark.parametrize("stratum", ["sets", "sequences"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_all_sub_actions_are_used_about_equally_often(stratum, split):
    used = Counter(n for c in draw_classes(stratum, 1001) if c.split == split for n in c.names)
    assert set(used) == set(PRIMITIVES)
    mean = sum(used.values()) / len(PRIMITIVES)
    # Twins come in twos, and so do their sub-actions.
    assert max(used.values()) <= (2.0 if stratum == "sequences" else 1.5) * mean


@pytest.mark.parametrize("seed", SEEDS)
def test_test_sets_share_little(seed):
    classes = [frozenset(c.names) for c in draw_classes("sets", seed) if c.split == "test"]
    shared = [len(a & b) for a, b in itertools.combinations(classes, 2)]
    assert max(shared) <= 2
    assert sum(s == 2 for s in shared) <= 0.02 * len(shared)


def test_definitions_are_a_function_of_stratum_and_seed():
    assert definitions_digest(draw_classes("sets", 7)) == definitions_digest(draw_classes("sets", 7))
    digests = {
        definitions_digest(draw_classes(stratum, seed)) for stratum in ("sets", "sequences") for seed in SEEDS
    }
    assert len(digests) == 6
