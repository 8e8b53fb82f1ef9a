"""The study: what is trained from what, and its tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a2m2.bench import study
from a2m2.bench.study_tables import short_table, tables


def figures(mean: float, *seeds: float) -> dict[str, object]:
    return {"mean": mean, "interval95": 0.004, "seeds": list(seeds or (mean,))}


def content() -> dict[str, object]:
    def result(stratum: str, timing: float) -> dict[str, object]:
        return {
            "stratum": stratum,
            "timing": timing,
            "order_prior": ["progress", 0.3] if stratum == "sequences" else ["time", 0.0],
            "accuracy": {
                "a2m2_net": {"1": figures(0.6, 0.59, 0.61), "5": figures(0.7, 0.7, 0.7)},
                "diagonal": {"1": figures(0.5, 0.5, 0.5), "5": figures(0.65, 0.64, 0.66)},
            },
            "a2_minus": {"diagonal": {"1": figures(0.1, 0.09, 0.11), "5": figures(-0.05, -0.04, -0.06)}},
            "alignment": {"a2m2_net": {"mean": 0.7, "seeds": [0.69, 0.71]}} if timing == 1.0 else {},
        }

    return {
        "rows": study.ROWS,
        "seeds": [0, 1],
        "episodes": 10_000,
        "steps": {"pretrain": 800, "meta": 300},
        "results": [result(stratum, timing) for stratum in study.STRATA for timing in (0.0, 1.0)],
    }


def test_tables_say_what_was_measured() -> None:
    text = tables(content())
    assert "2 training seeds and 10,000 episodes" in text
    assert "800 pre-training and 300 meta-training steps" in text
    assert "### sets, timing 1, order 1\n\nOrder prior chosen on validation classes: none (λ 0)." in text
    assert "### sequences, timing 0\n\nOrder prior chosen on validation classes: λ 0.3 on progress." in text
    assert (
        "| second order, no alignment | 50.0 ± 0.4 [50.0 … 50.0] | 65.0 ± 0.4 [64.0 … 66.0] "
        "| +10.0 ± 0.4 [+9.0 … +11.0] | -5.0 ± 0.4 [-6.0 … -4.0] |"
    ) in text
    assert text.count("| a2m2_net | 70.0 (69.0, 71.0) |") == 2


def test_the_short_table_holds_timing_1_alone() -> None:
    lines = short_table(content()).splitlines()
    assert lines[0] == "| row | sets, 1-shot % | sets, 5-shot % | sequences, 1-shot % | sequences, 5-shot % |"
    assert lines[2] == "| second order, A² | 60.0 ± 0.4 | 70.0 ± 0.4 | 60.0 ± 0.4 | 70.0 ± 0.4 |"
    assert len(lines) == 6


def test_rows_start_from_one_pretraining_and_make_the_same_steps(tmp_path: Path) -> None:
    jobs = study.jobs(Path("synth-small"), tmp_path, seeds=(0, 1), pretrain_steps=None, meta_steps=None)
    assert len({job.name for job in jobs}) == len({job.out for job in jobs}) == len(jobs)
    rows = [job for job in jobs if job.stage == "meta"]
    assert len(rows) == 2 * 2 * len(study.ROWS)
    assert len({job.settings.meta.steps for job in rows}) == 1
    for job in rows:
        stratum, method, seed = job.name.split("-")
        assert job.start == tmp_path / "pretrained" / f"{stratum}-{seed}"
        assert (job.settings.method, job.settings.seed) == (method, int(seed))
    untrained = [job for job in jobs if study.UNTRAINED in job.name]
    assert all(job.settings.pretrain.steps == 0 and job.start is None for job in untrained)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_from_nothing_to_figures(tmp_path: Path) -> None:
    path = study.run(
        Path("synth-small"),
        tmp_path,
        seeds=(0,),
        episodes=20,
        truth_episodes=10,
        clips=(6, 6),
        pretrain_steps=1,
        meta_steps=1,
        progress=lambda what, done, total: None,
    )
    found = json.loads(path.read_text())
    assert [(r["stratum"], r["timing"]) for r in found["results"]] == [
        (stratum, timing) for stratum in study.STRATA for timing in study.TIMINGS
    ]
    for result in found["results"]:
        assert set(study.ROWS) < set(result["accuracy"])
        assert set(result["alignment"]) == (
            {"a2m2_net", "a2m2_net, order prior", "diagonal", "a2_first_order", "untrained", "uniform plan"}
            if result["timing"] == 1.0
            else set()
        )
