"""Every fault planted in a list is named, with file and line, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2m2.data.lists import (
    CASES,
    Benchmark,
    Finding,
    FindingKind,
    against_findings,
    by_kind,
    disk_findings,
    list_findings,
    match_videos,
    read_lists,
)
from a2m2.data.lists.class_names import similar_names
from list_fixtures import write_lists, write_tree

CLEAN = {
    "train": ["hug/a1", "hug/a2", "wave/b1", "wave/b2"],
    "val": ["clap/c1", "clap/c2", "sit/d1", "sit/d2"],
    "test": ["run/e1", "run/e2", "nod/f1", "nod/f2"],
}


def found(folder: Path, *, benchmark: Benchmark | None = None) -> list[tuple[str, tuple[str, ...]]]:
    """Kind and places (without the folder) of each finding of a small protocol."""
    findings = list_findings(read_lists(folder), benchmark=benchmark, way=2, shot=1, query=1)
    return [(one.kind, tuple(place.removeprefix(f"{folder}/") for place in one.places)) for one in findings]


def test_a_clean_list_has_no_findings(tmp_path: Path) -> None:
    assert found(write_lists(tmp_path, **CLEAN)) == []


PLANTED: list[tuple[str, dict[str, list[str]], list[tuple[str, tuple[str, ...]]]]] = [
    (
        "a repeated line",
        {"test": [*CLEAN["test"], "run/e2"]},
        [("duplicate-line", ("test.txt:2", "test.txt:5"))],
    ),
    (
        "one video in two classes",
        {"test": [*CLEAN["test"], "run/f1"]},
        [("two-classes", ("test.txt:3", "test.txt:5"))],
    ),
    (
        "one video in two splits",
        {"test": [*CLEAN["test"], "nod/a2"]},
        [("two-splits", ("train.txt:2", "test.txt:5"))],
    ),
    (
        "the test list given out for validation",
        {"val": CLEAN["test"]},
        [
            ("same-lists", ("val.txt", "test.txt")),
            ("class-in-two-splits", ("test.txt:1", "val.txt:1")),
            ("class-in-two-splits", ("test.txt:3", "val.txt:3")),
        ],
    ),
    (
        "a class of train in test",
        {"test": [*CLEAN["test"], "hug/e3", "hug/e4"]},
        [("class-in-two-splits", ("test.txt:5", "train.txt:1"))],
    ),
    ("a class too small", {"test": CLEAN["test"][:3]}, [("small-class", ("test.txt:3",))]),
    ("too few classes", {"val": CLEAN["val"][:2]}, [("small-class", ("val.txt",))]),
    (
        "a slip of the pen",
        {"train": ["CliffDiving/a", "CliffDiving/b", "CliffDivng/c", "CliffDivng/d"]},
        [("similar-classes", ("train.txt:1", "train.txt:3"))],
    ),
    (
        "indices that start again in each file",
        {
            "train": ["a 9 0", "b 9 0", "c 9 1", "d 9 1"],
            "val": ["e 9 2", "f 9 2", "g 9 3", "h 9 3"],
            "test": ["i 9 0", "j 9 0", "k 9 2", "l 9 2"],
        },
        [
            ("local-class-index", ("test.txt:1", "train.txt:1")),
            ("local-class-index", ("test.txt:3", "val.txt:1")),
        ],
    ),
    (
        "a line of another split",
        {"train": ["train0/1", "train0/2", "train1/3", "train1/4", "test1/5", "test1/6"]},
        [("split-disagrees", ("train.txt:5",)),
         ("local-class-index", ("train.txt:3", "train.txt:5"))],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "expected"), [case[1:] for case in PLANTED], ids=[case[0] for case in PLANTED]
)
def test_a_planted_fault_is_named(
    changed: dict[str, list[str]], expected: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    assert found(write_lists(tmp_path, **{**CLEAN, **changed})) == expected


def test_counts_that_differ_from_the_published_ones(tmp_path: Path) -> None:
    write_lists(tmp_path, test=["run/e1", "run/e2", "nod/f1", "nod/f2"])
    (finding,) = list_findings(read_lists(tmp_path), benchmark="hmdb-51", way=2, shot=1, query=1)
    assert finding == Finding(
        "count-differs",
        "test has 4 videos in 2 classes, hmdb-51 by ARN (Zhang et al., ECCV 2020) 1,292 in 10",
        (str(tmp_path / "test.txt"),),
    )


def test_videos_shared_with_another_benchmark(tmp_path: Path) -> None:
    full = read_lists(write_lists(tmp_path / "full", train=["train0/1", "train0/2"], test=["test0/3"]))
    small = read_lists(write_lists(tmp_path / "small", train=["train0/9", "train1/3"], test=["test0/2"]))
    findings = against_findings(full, small, benchmark="ssv2-full", other_benchmark="ssv2-small")
    assert [(one.kind, one.text) for one in findings] == [
        ("test-in-train", "3 of this list's test is in the other list's train"),
        ("test-in-train", "2 of the other list's test is in this list's train"),
    ]
    assert findings[0].places == (f"{tmp_path}/full/test.txt:1", f"{tmp_path}/small/train.txt:2")
    assert findings[1].places == (f"{tmp_path}/small/test.txt:1", f"{tmp_path}/full/train.txt:2")


def test_replaced_videos_of_one_benchmark(tmp_path: Path) -> None:
    one = read_lists(write_lists(tmp_path / "a", val=["hug/-kYzxMKp514", "hug/1663fIopl7c_000035_000045"]))
    two = read_lists(write_lists(tmp_path / "b", val=["hug/-kYzxMKp514_000086_000096", "hug/1C3pJtF0byM"]))
    (finding,) = against_findings(one, two, benchmark="kinetics-100", other_benchmark="kinetics-100")
    assert (finding.kind, finding.places) == ("replaced-video", (f"{tmp_path}/a/val.txt:2",))
    assert against_findings(one, two, benchmark="kinetics-100", other_benchmark=None) == ()


def test_missing_and_ambiguous_videos(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "videos", "1.webm", "a/2.webm", "b/2.webm")
    listed = read_lists(write_lists(tmp_path / "lists", train=["train0/1", "train0/2", "train0/3"]))
    findings = disk_findings(listed, match_videos(listed, root))
    assert [(one.kind, one.text, one.places) for one in findings] == [
        ("ambiguous-match", "2 may be a/2.webm, b/2.webm", (f"{tmp_path}/lists/train.txt:2",)),
        ("missing-video", f"3 is not in {root}", (f"{tmp_path}/lists/train.txt:3",)),
    ]
    assert list(by_kind(findings)) == ["missing-video", "ambiguous-match"]


def test_every_kind_has_its_case() -> None:
    assert set(CASES) == set(FindingKind.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("flic_flac", "Flic Flac", True),
        ("handstand", "handstnad", True),
        ("swinging", "swingin", True),
        ("swinging", "swimming", False),
        ("running", "cunning", True),
        ("run", "sun", False),
        ("train10", "train11", False),
        ("camera2", "camera", False),
    ],
)
def test_similar_names(one: str, other: str, alike: bool) -> None:
    assert list(similar_names([one, other])) == ([(one, other)] if alike else [])
