"""Figures of a run: against slow loops, by hand, and refusing what does not belong together."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from a2m2.data import EpisodeSampler
from a2m2.errors import RecordError
from a2m2.eval.stats import (
    INTERVAL_COVERS,
    Summary,
    compare_runs,
    mean_interval,
    paired_difference,
    read_summary,
    summarize,
)
from a2m2.records import Episode, EpisodeRecord, RunRecord, episodes_digest

NUM_CLASSES, PER_CLASS = 6, 8


def make_run(
    *,
    way: int = 3,
    shot: int = 2,
    query: int = 2,
    episodes: int = 50,
    seed: int = 1,
    methods: Sequence[str] = ("a2", "otam"),
) -> tuple[RunRecord, list[Episode]]:
    labels = [video // PER_CLASS for video in range(NUM_CLASSES * PER_CLASS)]
    names = [f"class {i}" for i in range(NUM_CLASSES)]
    sampler = EpisodeSampler(labels, class_names=names, way=way, shot=shot, query=query, seed=seed)
    drawn = [sampler.episode(i) for i in range(episodes)]
    run = RunRecord(
        dataset="toy",
        splits=("test",),
        classes=tuple(names),
        videos=tuple(f"{label}/{video}.mp4" for video, label in enumerate(labels)),
        video_classes=tuple(labels),
        way=way,
        shot=shot,
        query=query,
        episodes=episodes,
        seed=seed,
        methods={name: f"the method {name}" for name in methods},
        config={},
        config_digest="0" * 16,
        data_digest="1" * 16,
        episodes_digest=episodes_digest(drawn),
        weights_digest="2" * 16,
        fit="none",
        versions={},
    )
    return run, drawn


def answer(run: RunRecord, episodes: list[Episode], skill: float = 0.5, seed: int = 0) -> list[EpisodeRecord]:
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(run.way), run.query)
    records = []
    for episode in episodes:
        predictions = {}
        for name in run.methods:
            guess = rng.integers(run.way, size=truth.size)
            predictions[name] = tuple(np.where(rng.random(truth.size) < skill, truth, guess).tolist())
        records.append(EpisodeRecord(episode, predictions))
    return records


def save(folder: Path, run: RunRecord, records: list[EpisodeRecord]) -> Path:
    folder.mkdir()
    (folder / "run.json").write_text(run.to_json())
    (folder / "episodes.jsonl").write_text("".join(record.to_line() + "\n" for record in records))
    return folder


# --- the two formulas --------------------------------------------------------------------


def test_mean_interval_by_hand() -> None:
    mean, half_width = mean_interval([0.0, 1.0, 1.0, 0.0])
    assert mean == 0.5
    assert half_width == pytest.approx(1.96 * 0.5 / 2)
    assert mean_interval([0.25]) == (0.25, 0.0)
    assert mean_interval([1] * 100) == (1.0, 0.0)


def test_the_interval_holds_the_truth_nineteen_times_of_twenty() -> None:
    rng = np.random.default_rng(0)
    draws = rng.binomial(5, 0.7, size=(2000, 400)) / 5
    inside = [abs(mean - 0.7) <= half_width for mean, half_width in map(mean_interval, draws)]
    assert 0.93 < np.mean(inside) < 0.97


def test_paired_difference_is_sharper_than_two_intervals() -> None:
    rng = np.random.default_rng(0)
    hardness = rng.normal(size=500)
    a, b = hardness + 0.1 + 0.1 * rng.normal(size=500), hardness + 0.1 * rng.normal(size=500)
    difference, half_width = paired_difference(a, b)
    assert difference == pytest.approx(a.mean() - b.mean())
    assert half_width == pytest.approx(1.96 * np.std(a - b) / math.sqrt(500))
    assert half_width < mean_interval(a)[1] / 4
    assert paired_difference(b, a) == (-difference, half_width)


def test_wrong_values() -> None:
    with pytest.raises(ValueError, match=r"^expected one value an episode, got an array of shape \(0,\)$"):
        mean_interval([])
    with pytest.raises(ValueError, match=r"^expected one value an episode, got an array of shape \(2, 2\)$"):
        mean_interval(np.ones((2, 2)))
    with pytest.raises(
        ValueError, match=r"^expected values of the same episodes, got shapes \(3,\) and \(1,\)$"
    ):
        paired_difference([1, 2, 3], [1])


# --- a summary ---------------------------------------------------------------------------


def test_summary_is_the_slow_loop() -> None:
    """2,500 episodes, so that the stream is cut into several chunks."""
    run, episodes = make_run(episodes=2500, methods=("a2", "otam", "mean"))
    records = answer(run, episodes)
    summary = summarize(run, iter(records))
    per_episode: dict[str, list[float]] = {name: [] for name in run.methods}
    for name in run.methods:
        confusion = np.zeros((NUM_CLASSES, NUM_CLASSES), dtype=int)
        for record in records:
            e = record.episode
            per_episode[name].append(record.num_correct(name) / (run.way * run.query))
            truth = [label for label, members in zip(e.classes, e.query, strict=True) for _ in members]
            for true, position in zip(truth, record.predictions[name], strict=True):
                confusion[true, e.classes[position]] += 1
        figures = summary.methods[name]
        assert figures.accuracy == pytest.approx(np.mean(per_episode[name]), abs=1e-12)
        assert figures.interval95 == pytest.approx(1.96 * np.std(per_episode[name]) / 50, abs=1e-12)
        assert np.array_equal(figures.confusion, confusion)
        assert (figures.episodes, figures.queries) == (2500, 2500 * 6)
        for label, class_name in enumerate(run.classes):
            queries = confusion[label].sum()
            assert figures.by_class[class_name] == {
                "accuracy": confusion[label, label] / queries,
                "queries": queries,
            }
    assert [(pair.a, pair.b) for pair in summary.pairs] == [("a2", "otam"), ("a2", "mean"), ("otam", "mean")]
    for pair in summary.pairs:
        difference = np.subtract(per_episode[pair.a], per_episode[pair.b])
        assert pair.difference == pytest.approx(difference.mean(), abs=1e-12)
        assert pair.interval95 == pytest.approx(1.96 * difference.std() / 50, abs=1e-12)
        assert pair.episodes == 2500
    assert summary.alignment == {}


def test_summary_by_hand() -> None:
    run, _ = make_run(way=2, shot=1, query=1, episodes=2, methods=("m",))
    records = [
        EpisodeRecord(Episode(0, (4, 1), ((32,), (8,)), ((33,), (9,))), {"m": (0, 0)}),
        EpisodeRecord(Episode(1, (1, 2), ((8,), (16,)), ((9,), (17,))), {"m": (0, 1)}),
    ]
    figures = summarize(run, records).methods["m"]
    assert figures.accuracy == 0.75
    assert figures.interval95 == pytest.approx(1.96 * 0.25 / math.sqrt(2))
    # class 1 was once taken for class 4 and once right, classes 2 and 4 were right, others never met
    assert figures.by_class == {
        "class 1": {"accuracy": 0.5, "queries": 2},
        "class 2": {"accuracy": 1.0, "queries": 1},
        "class 4": {"accuracy": 1.0, "queries": 1},
    }
    assert figures.confusion[1] == (0, 1, 0, 0, 1, 0)
    assert figures.confusion[0] == (0,) * 6


def test_json_has_the_agreed_keys_and_comes_back() -> None:
    run, episodes = make_run()
    summary = summarize(run, answer(run, episodes))
    share = {"share": 0.5, "interval95": 0.01, "episodes": 50}
    summary = replace(summary, alignment={"a2": {"non_idle": share, "all": share}})
    raw = json.loads(summary.to_json())
    assert list(raw) == ["methods", "classes", "pairs", "alignment", "interval_covers"]
    assert raw["interval_covers"] == INTERVAL_COVERS
    assert list(raw["methods"]) == ["a2", "otam"]
    assert list(raw["methods"]["a2"]) == [
        "accuracy",
        "interval95",
        "episodes",
        "queries",
        "by_class",
        "confusion",
    ]
    assert list(raw["pairs"][0]) == ["a", "b", "difference", "interval95", "episodes"]
    assert raw["alignment"] == {"a2": {"non_idle": share, "all": share}}
    again = Summary.from_json(summary.to_json())
    assert again.to_json() == summary.to_json()
    assert again.methods["a2"].accuracy == pytest.approx(summary.methods["a2"].accuracy, abs=5e-7)
    assert again.methods["a2"].confusion == summary.methods["a2"].confusion


def test_a_summary_is_read_from_its_folder(tmp_path: Path) -> None:
    run, episodes = make_run()
    text = summarize(run, answer(run, episodes)).to_json()
    with pytest.raises(RecordError, match=r" holds no summary\.json; evaluate again"):
        read_summary(tmp_path)
    (tmp_path / "summary.json").write_text(text)
    assert read_summary(tmp_path).to_json() == text
    for damaged in (text[:-9], "[]", "{}", '{"methods": {"a2": 3}}', '{"methods": {"a2": {"accuracy": 1}}}'):
        (tmp_path / "summary.json").write_text(damaged)
        with pytest.raises(RecordError, match=r"summary\.json cannot be read \(.*\); evaluate again"):
            read_summary(tmp_path)


def test_the_same_records_give_the_same_bytes_whatever_the_order_of_answers() -> None:
    run, episodes = make_run()
    records = answer(run, episodes)
    turned = [EpisodeRecord(r.episode, dict(reversed(r.predictions.items()))) for r in records]
    assert summarize(run, turned).to_json() == summarize(run, records).to_json()
    summary = summarize(run, records)
    tiny = replace(summary, pairs=(replace(summary.pairs[0], difference=-1e-9),))
    assert '"difference": 0.0,' in tiny.to_json()


def test_numbers_that_json_cannot_hold_are_refused() -> None:
    run, episodes = make_run()
    summary = replace(
        summarize(run, answer(run, episodes)),
        alignment={"a2": {"all": {"share": math.nan, "interval95": 0.0, "episodes": 0}}},
    )
    with pytest.raises(ValueError, match="JSON compliant"):
        summary.to_json()


def test_one_query_less_is_noticed() -> None:
    run, episodes = make_run(episodes=3)
    good = answer(run, episodes)
    short = replace(good[1], predictions={**good[1].predictions, "otam": (0,) * 5})
    unknown = replace(good[1], predictions={"a2": (0,) * 6})
    wide = replace(good[1], predictions={**good[1].predictions, "a2": (0, 0, 0, 0, 0, 3)})
    foreign = replace(good[1], episode=replace(good[1].episode, classes=(0, 1, 6)))
    narrow = replace(good[1], episode=replace(good[1].episode, classes=(0, 1)))
    cases = [
        (good[:2], r"^expected 3 episodes of 6 queries, got 2; evaluate again"),
        ([], r"^expected 3 episodes of 6 queries, got 0; evaluate again"),
        ([good[0], good[2]], r"^expected episodes 0 … 2 in order, got 2 in place 1; evaluate again"),
        (
            [*good, replace(good[2], episode=replace(good[2].episode, index=3))],
            r"^expected episodes 0 … 2 in order, got 3",
        ),
        ([good[0], short, good[2]], r"^episode 1: expected 6 answers of otam, got 5; evaluate again"),
        ([good[0], unknown, good[2]], r"^episode 1: expected answers of a2, otam, got a2; evaluate again"),
        ([good[0], wide, good[2]], r"^episodes 0 … 2: an answer lies outside 0 … 2; evaluate again"),
        ([good[0], foreign, good[2]], r"^episodes 0 … 2: a class lies outside 0 … 5; evaluate again"),
        ([good[0], narrow, good[2]], r"^episode 1 is not 3-way with 2 queries a class; evaluate again"),
    ]
    for records, message in cases:
        with pytest.raises(RecordError, match=message):
            summarize(run, records)
    with pytest.raises(RecordError) as caught:
        summarize(replace(run, methods={"a" * 9000: {}}), good)
    assert len(str(caught.value)) < 500
    with pytest.raises(RecordError, match=r"^the run names no method; evaluate again"):
        summarize(replace(run, methods={}), good)


def test_ten_thousand_episodes_of_five_methods_in_two_seconds() -> None:
    run, episodes = make_run(way=5, shot=1, query=1, episodes=10_000, methods=("a", "b", "c", "d", "e"))
    records = answer(run, episodes)
    before = time.perf_counter()
    summarize(run, records)
    assert time.perf_counter() - before < 2


# --- two runs ----------------------------------------------------------------------------


def test_two_runs_are_compared_episode_by_episode(tmp_path: Path) -> None:
    run_a, episodes = make_run(methods=("a2", "otam"))
    run_b = replace(
        run_a, methods={"a2": "other weights", "mean": ""}, dataset="copied", config_digest="9" * 16
    )
    records_a, records_b = answer(run_a, episodes, 0.8), answer(run_b, episodes, 0.3, seed=5)
    pairs = compare_runs(save(tmp_path / "a", run_a, records_a), save(tmp_path / "b", run_b, records_b))
    assert [(pair.a, pair.b) for pair in pairs] == [
        ("a2", "a2"),
        ("a2", "mean"),
        ("otam", "a2"),
        ("otam", "mean"),
    ]
    for pair in pairs:
        a = [record.num_correct(pair.a) / 6 for record in records_a]
        b = [record.num_correct(pair.b) / 6 for record in records_b]
        assert (pair.difference, pair.interval95) == pytest.approx(paired_difference(a, b))
        assert pair.difference > 0
    backwards = compare_runs(tmp_path / "b", tmp_path / "a")
    assert backwards[0].difference == pytest.approx(-pairs[0].difference)


def test_a_run_beside_itself_has_no_difference(tmp_path: Path) -> None:
    run, episodes = make_run(methods=("m",))
    folder = save(tmp_path / "a", run, answer(run, episodes))
    (pair,) = compare_runs(folder, folder)
    assert (pair.difference, pair.interval95) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 2}, "seed 1 and 2"),
        ({"shot": 1}, "shot 2 and 1"),
        ({"episodes": 40}, "episodes 50 and 40"),
        ({"episodes_digest": "f" * 16}, f"digest of the episodes [0-9a-f]+ and {'f' * 16}"),
        ({"data_digest": "f" * 16}, f"digest of the videos {'1' * 16} and {'f' * 16}"),
        ({"videos": ("x.mp4",)}, "number of videos 48 and 1"),
        ({"video_classes": (1,) * 48}, "names or classes of their videos differ"),
    ],
)
def test_runs_that_cannot_be_compared(tmp_path: Path, change: dict[str, object], message: str) -> None:
    run, episodes = make_run()
    records = answer(run, episodes)
    a = save(tmp_path / "a", run, records)
    b = save(tmp_path / "b", replace(run, **change), records)  # type: ignore[arg-type]
    expected = f"a and .*b cannot be compared episode by episode: {message}; evaluate both with"
    with pytest.raises(RecordError, match=expected):
        compare_runs(a, b)


def test_a_folder_whose_files_do_not_belong_together(tmp_path: Path) -> None:
    run, episodes = make_run()
    records = answer(run, episodes)
    a = save(tmp_path / "a", run, records)
    b = save(tmp_path / "b", run, records[:-1])
    with pytest.raises(
        RecordError, match=r"b: episodes\.jsonl holds other episodes than run\.json names; evaluate again"
    ):
        compare_runs(a, b)
    with pytest.raises(RecordError, match=r"^.*nowhere holds no run\.json; expected a folder"):
        compare_runs(a, tmp_path / "nowhere")
