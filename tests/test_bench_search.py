"""The simulator of large libraries, and the figures that are read from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from a2m2.bench.search import compare, queries_of, write_rest, write_shards
from a2m2.bench.simulated_library import BLOCK, CLIPS, between_share, make_simulator, shifted
from a2m2.library import open_library
from a2m2.library.eyes import read_eyes, write_eyes
from a2m2.library.shards import shard_files
from a2m2.library.sketch import MOST_BYTES
from a2m2.moments import DEFAULT_SCALES, candidate_windows
from a2m2.recognize.encoders import TrainedEncoder
from a2m2.recognize.origin import DEFAULT_ORIGIN
from a2m2.structures import Descriptors
from a2m2.weights import load_network
from matching_fixtures import random_descriptors


def test_a_block_is_a_function_of_its_number() -> None:
    simulator = make_simulator(random_descriptors(20, seed=0, dtype=torch.float32), actions=7, seed=3)
    block = simulator.block(5)
    assert torch.equal(block.values, simulator.block(5).values)
    assert torch.equal(block.values[:9], simulator.block(5, 9).values)
    assert not torch.equal(block.values, simulator.block(6).values)
    assert not torch.equal(block.values, replace(simulator, seed=4).block(5).values)
    assert simulator.actions(5).unique().numel() == 7


def test_moments_are_those_of_the_rendered_clips() -> None:
    """Up to the lengths, which are made equal: clips of small deviations keep their means and covariances."""
    rendered = random_descriptors(40, seed=1, dtype=torch.float32)
    rendered = replace(rendered, values=20 + 0.3 * rendered.values, mean=None)
    simulator = make_simulator(rendered, actions=4000, seed=3)
    drawn = torch.cat([simulator.block(number).values for number in range(40)])
    units = [torch.nn.functional.normalize(values, dim=-1) for values in (rendered.values, drawn)]
    torch.testing.assert_close(units[0].mean(0), units[1].mean(0), atol=2e-3, rtol=0)
    real, simulated = (torch.cov(values.flatten(1).T, correction=0) for values in units)
    assert simulated.trace() / real.trace() == pytest.approx(1, abs=0.15)
    assert torch.corrcoef(torch.stack([real.flatten(), simulated.flatten()]))[0, 1] > 0.95


@pytest.mark.parametrize("shift", [0.0, 1.0, -0.4])
def test_a_shift_interpolates_within_each_scale(shift: float) -> None:
    like = random_descriptors(2, seed=2)
    moved = shifted(like.values, torch.tensor([shift, 0.0]), like)
    assert torch.equal(moved[1], like.values[1])
    for nodes, length in (([0, 1, 2, 3], 1), ([4, 5], 2)):
        for entry in range(like.values.shape[-1]):
            was = like.values[0, nodes, entry].numpy()
            place = np.arange(len(nodes)) - shift / length
            expected = np.interp(place, np.arange(len(nodes)), was)
            np.testing.assert_allclose(moved[0, nodes, entry], expected, atol=1e-6)


def test_the_share_between_classes() -> None:
    centres = torch.randn(30, 1, 3, 4, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(30, CLIPS, 3, 4, generator=torch.Generator().manual_seed(1))
    assert between_share((centres + 0 * noise).flatten(0, 1)) == pytest.approx(1)
    assert between_share((centres + 2 * noise).flatten(0, 1)) == pytest.approx(0.2, abs=0.06)


def test_shards_that_are_missing_are_drawn_again(tmp_path: Path) -> None:
    simulator = make_simulator(random_descriptors(20, seed=0, dtype=torch.float32), actions=7, seed=3)
    assert write_shards(tmp_path, simulator, 3 * BLOCK - 1)["clips drawn"] == 3 * BLOCK
    shards = shard_files(tmp_path)
    before = shards[1].read_bytes()
    shards[1].unlink()
    assert write_shards(tmp_path, simulator, 3 * BLOCK)["clips drawn"] == BLOCK
    assert shards[1].read_bytes() == before
    assert write_shards(tmp_path, simulator, 3 * BLOCK) == {}


def test_recall_and_cost_of_a_small_library(tmp_path: Path) -> None:
    pytest.importorskip("usearch")
    write_eyes(tmp_path, TrainedEncoder(load_network(DEFAULT_ORIGIN.name), DEFAULT_ORIGIN))
    encoder = read_eyes(tmp_path)
    windows, scale = candidate_windows(encoder.video.num_frames, DEFAULT_SCALES)
    generator = torch.Generator().manual_seed(0)
    number = 6 * CLIPS
    rendered = Descriptors(
        values=torch.randn(number, len(windows), len(encoder.mean), generator=generator) + encoder.mean,
        spans=windows.float().expand(number, -1, -1),
        windows=windows,
        scale=scale,
        energy=torch.ones(number, encoder.video.num_frames),
        mean=encoder.mean,
    )
    simulator = make_simulator(rendered, actions=20, seed=1)
    write_shards(tmp_path, simulator, 2 * BLOCK - 56)
    figures = write_rest(tmp_path, encoder, 2 * BLOCK - 56)
    assert figures["first pass bytes a clip"] <= MOST_BYTES
    library = open_library(tmp_path)
    assert len(library) == 200
    queries = queries_of(simulator, 3)
    assert compare(library, queries, candidates=200)["recall@10"] == 1
    fewer = compare(library, queries, candidates=20)
    assert fewer["recall@10"] >= 0.3
    assert fewer["compared exactly"] == 20
    assert 0 < fewer["share of the cost %"] < 100
