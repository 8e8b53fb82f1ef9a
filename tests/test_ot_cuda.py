"""The GPU's solver against that of the host: in Numba's simulator, and on a GPU where there is one.

Run where there is a GPU: python -m pytest -m gpu tests/test_ot_cuda.py
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from a2m2.bench import ot_gpu
from a2m2.bench.figures import read_figures
from a2m2.bench.ot_problems import FAMILIES, walks
from a2m2.ot import TransportError, TransportPlan, UncertifiedError, solve
from a2m2.ot import cuda as gpu
from a2m2.ot.plan import DeviceResults
from ot_cuda_cases import CASES, Problems, problems, refused

pytestmark = pytest.mark.filterwarnings("default")
"""What Numba's CUDA target and the driver's packages deprecate is theirs."""


@pytest.fixture(
    params=[
        pytest.param(
            "cuda",
            marks=(
                pytest.mark.gpu,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
            ),
        )
    ]
)
def device(request: pytest.FixtureRequest) -> str:
    pytest.importorskip("numba.cuda")
    return str(request.param)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What :mod:`ot_cuda_cases` wrote: results by case, values without plans, messages of refusals."""
    path = tmp_path_factory.mktemp("simulated") / "results"
    program = Path(__file__).with_name("ot_cuda_cases.py")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, str(program), str(path)], check=True, env=environment, timeout=280)
    return pickle.loads(path.read_bytes())


def assert_certified(
    batch: Problems, plan: torch.Tensor, value: torch.Tensor, u: torch.Tensor, v: torch.Tensor
) -> None:
    """Marginals, reduced costs and the gap, worked out anew from the problem in float64."""
    cost, a, b, plan, value, u, v = (tensor.cpu().double().numpy() for tensor in (*batch, plan, value, u, v))
    mass = a.sum(1)
    b = b * (mass / b.sum(1))[:, None]
    largest = np.abs(cost).max((1, 2))
    largest[largest == 0] = 1.0
    assert plan.min() >= 0
    assert (np.abs(plan.sum(2) - a).max(1) / mass).max() <= 1e-13
    assert (np.abs(plan.sum(1) - b).max(1) / mass).max() <= 1e-13
    reduced = (cost - u[:, :, None] - v[:, None, :]) / largest[:, None, None]
    assert reduced.min() >= -2e-13
    scaled = cost / largest[:, None, None]
    primal = (scaled * plan).sum((1, 2)) / mass
    dual = ((a * u).sum(1) + (b * v).sum(1)) / largest / mass
    assert np.abs(primal - dual).max() <= 1e-13
    assert np.abs(primal - value / largest / mass).max() <= 1e-13


def assert_alike(batch: Problems, value: torch.Tensor, expected: TransportPlan) -> None:
    scale = batch[0].cpu().abs().amax((1, 2)) * batch[1].cpu().sum(1)
    difference = (value.cpu() - expected.value).abs()
    assert bool((difference <= 1e-13 * scale).all()), difference.max()


@pytest.mark.parametrize("case", CASES)
def test_the_simulated_kernel_is_right(simulated: Any, case: str) -> None:
    batch, result = problems(CASES[case]), simulated[0][case]
    assert_certified(batch, result["plan"], result["value"], *result["potentials"])
    expected = solve(*batch)
    assert_alike(batch, result["value"], expected)
    assert result["degenerate"].dtype == result["tied"].dtype == torch.bool
    if not bool((expected.degenerate | expected.tied).any()):
        torch.testing.assert_close(result["plan"], expected.plan, rtol=0, atol=1e-14)
        assert not bool((result["degenerate"] | result["tied"]).any())
    marginal, reduced, gap = result["evidence"]
    scale = batch[0].abs().amax((1, 2)).clamp_min(1e-300)
    assert bool((marginal <= 1e-13 * batch[1].sum(1)).all())
    assert bool((reduced >= -2e-13 * scale).all())
    assert bool((gap <= 1e-13 * scale * batch[1].sum(1)).all())


def test_the_simulated_kernel_in_single_precision(simulated: Any) -> None:
    results, (value, potentials), _ = simulated
    expected = solve(*problems(CASES["walks, 3 by 4"], torch.float32))
    assert value.dtype == torch.float32
    torch.testing.assert_close(results["single"]["plan"], expected.plan, rtol=0, atol=1e-6)
    torch.testing.assert_close(results["single"]["value"], expected.value, rtol=0, atol=1e-6)
    assert torch.equal(value, results["single"]["value"])
    assert all(map(torch.equal, potentials, results["single"]["potentials"]))


def test_the_simulated_kernel_refuses_what_the_host_refuses(simulated: Any) -> None:
    messages = simulated[2]
    for name, wrong in refused().items():
        with pytest.raises(TransportError) as caught:
            solve(*wrong)
        assert messages.pop(name) == f"TransportError: {caught.value}"
    assert messages.pop("no pivots").startswith("UncertifiedError: expected an optimal plan within 0 pivots")
    assert not messages


def test_tensors_on_the_host_are_refused() -> None:
    with pytest.raises(gpu.GpuError, match=r"expected tensors on a CUDA device, got cpu"):
        gpu.solve(*problems(CASES["walks, 3 by 4"]))


def test_sizes_that_fit() -> None:
    assert gpu.fits(85, 85)
    assert gpu.fits(64, 64, torch.float64)
    assert not gpu.fits(86, 86)
    assert not gpu.fits(65, 65, torch.float64)
    assert not gpu.fits(1, 129)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu._kernels.cache_clear()
    monkeypatch.setitem(sys.modules, "a2m2.ot.warp_kernel", None)
    monkeypatch.delattr("a2m2.ot.warp_kernel", raising=False)
    with pytest.raises(gpu.GpuError, match=r"pip install 'a2m2\[cuda\]'"):
        gpu.solve(*problems(CASES["walks, 3 by 4"]))


class Incompatible:
    """A kernel that Numba cannot compile beside what else is installed."""

    def __getitem__(self, size: object) -> None:
        raise AttributeError("module 'numpy' has no attribute 'row_stack'")


def test_packages_that_do_not_go_together_are_named() -> None:
    cost, a, b = problems(CASES["walks, 3 by 4"])
    room = len(cost)
    results = DeviceResults(
        plan=cost.new_empty((room, 0, 0)),
        value=cost.new_empty(room),
        u=torch.empty_like(a),
        v=torch.empty_like(b),
        evidence=cost.new_empty((3, room)),
        flags=torch.empty((2, room), dtype=torch.uint8),
    )
    status = torch.empty(room, dtype=torch.uint8)
    with pytest.raises(
        gpu.GpuError, match=r"does not go with what else is installed \(.*row_stack'\); pip install"
    ):
        gpu.launch((cost.view(-1), a, b), results, status, 10, with_plan=False, kernel=Incompatible())


def there(batch: Problems, device: str) -> Problems:
    cost, a, b = (tensor.to(device) for tensor in batch)
    return cost, a, b


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "sizes",
    [(100, 1, 1), (100, 1, 7), (300, 7, 14), (300, 14, 14), (100, 17, 15), (50, 33, 31), (20, 64, 64)],
)
def test_every_family_on_a_gpu(device: str, family: str, sizes: tuple[int, int, int]) -> None:
    batch = problems((family, *sizes))
    solved = gpu.solve(*there(batch, device))
    assert_certified(batch, solved.plan, solved.value, *solved.potentials)
    assert_alike(batch, solved.value, solve(*batch))


@pytest.mark.parametrize(("count", "nodes"), [(10_000, 14), (1_000, 56)])
@pytest.mark.parametrize("family", ["walks", "random", "assignment"])
def test_many_problems_on_a_gpu(device: str, family: str, count: int, nodes: int) -> None:
    batch = problems((family, count, nodes, nodes))
    solved = gpu.solve(*there(batch, device))
    assert solved.value.device.type == device
    assert_certified(batch, solved.plan, solved.value, *solved.potentials)
    expected = solve(*batch)
    assert_alike(batch, solved.value, expected)
    assert torch.equal(solved.degenerate.cpu(), expected.degenerate)
    unique = ~(expected.degenerate | expected.tied)
    torch.testing.assert_close(solved.plan.cpu()[unique], expected.plan[unique], rtol=0, atol=1e-13)


def test_single_precision_and_no_plans_on_a_gpu(device: str) -> None:
    batch = problems(("walks", 1000, 14, 14), torch.float32)
    cost, a, b = there(batch, device)
    expected = solve(*batch)
    values = gpu.solve_values(cost, a, b)
    torch.testing.assert_close(values.value.cpu(), expected.value, rtol=0, atol=1e-6)
    assert torch.equal(gpu.solve(cost, a, b).value, values.value)
    turned = gpu.solve_values(cost.mT, b, a)
    torch.testing.assert_close(turned.value, values.value, rtol=0, atol=1e-6)
    assert gpu.solve(cost[:0], a[:0], b[:0]).plan.shape == (0, 14, 14)
    with torch.cuda.stream(torch.cuda.Stream()):
        assert torch.equal(gpu.solve_values(cost, a, b).value, values.value)


def test_refusals_on_a_gpu(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in refused().values():
        with pytest.raises(TransportError) as expected:
            solve(*wrong)
        with pytest.raises(TransportError) as caught:
            gpu.solve(*there(wrong, device))
        assert str(caught.value) == str(expected.value)
    cost, a, b = map(torch.from_numpy, walks(np.random.default_rng(0), 1, 100, 100))
    with pytest.raises(gpu.GpuError, match=r"got 100 by 100 in torch\.float64"):
        gpu.solve(*there((cost, a, b), device))
    monkeypatch.setattr(gpu, "pivot_cap", lambda *sizes: 0)
    with pytest.raises(UncertifiedError, match="within 0 pivots"):
        gpu.solve(*there(problems(CASES["walks, 14 by 14"]), device))


def test_the_bench_says_that_there_is_no_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert ot_gpu.main([]) == 1
    assert "error: no CUDA device here" in capsys.readouterr().out


def test_the_bench_on_a_gpu(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ot_gpu, "SIZES", ((14, 100), (56, 20)))
    path = tmp_path / "ot_gpu.json"
    assert ot_gpu.main(["--rounds", "1", "--json", str(path)]) == 0
    tables, content = read_figures(path)
    assert [table.title for table in tables] == ["Problems a second", "Registers and occupancy"]
    assert all(speed["largest difference"] <= 1e-6 for speed in content["speeds"])
    assert all(row[4] >= 1 and row[5] > 0 for row in tables[1].rows)
    assert "n = 56, batch 20" in capsys.readouterr().out
