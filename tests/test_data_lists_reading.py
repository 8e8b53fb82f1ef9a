"""Lists: every format, recognised by its lines; splits, class names, counts, benchmarks; what refusals say."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2m2.data.lists import (
    PUBLISHED,
    Benchmark,
    count_splits,
    published_counts,
    read_lists,
    recognise_benchmark,
)
from a2m2.data.lists.splits import split_in
from a2m2.errors import DataError
from list_fixtures import write_lists, write_tree

FORMATS = {
    "class/video": (
        ["blasting sand/-kYzxMKp514_000086_000096", "cartwheel/(Rad)Schlag_[x]!_0.avi"],
        [("blasting sand", "-kYzxMKp514_000086_000096"), ("cartwheel", "(Rad)Schlag_[x]!_0")],
    ),
    "split-index/video": (["test8/78687", "test50/42326.webm"], [("test8", "78687"), ("test50", "42326")]),
    "split-index//path": (
        ["test0//videos/hug/a.b.avi", "test1//videos/wave/#c.avi"],
        [("hug", "a.b"), ("wave", "#c")],
    ),
    "id frames label": (["x y.avi 120 3", "z\t9\t0"], [("test3", "x y"), ("test0", "z")]),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_recognised_by_its_lines(name: str, tmp_path: Path) -> None:
    lines, expected = FORMATS[name]
    listed = read_lists(write_lists(tmp_path, few_shot_test=["", *lines]))
    assert listed.files[0].format == name
    assert listed.files[0].reason
    assert [(video.class_name, video.source) for video in listed.videos] == expected
    assert [video.place for video in listed.videos] == [
        f"{tmp_path}/few_shot_test.txt:{line}" for line in (2, 3)
    ]
    assert listed.splits == ("test",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path,class,split\nhug/a.mp4,hug,Training\n", ("train", "hug", "a")),
        ('video_id;label;set\nb;"shooting goal (soccer)";val\n', ("val", "shooting goal (soccer)", "b")),
        (
            "label,youtube_id,time_start,time_end,split\nhug,-a_c,5,15,test\n",
            ("test", "hug", "-a_c_000005_000015"),
        ),
        ("id,label,split\nc,7,test\n", ("test", "test7", "c")),
    ],
)
def test_csv_with_a_header(text: str, expected: tuple[str, str, str], tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(text, encoding="utf-8-sig")
    listed = read_lists(tmp_path)
    assert listed.files[0].format == "csv"
    assert [(video.split, video.class_name, video.source) for video in listed.videos] == [expected]
    assert listed.videos[0].place == f"{tmp_path / 'train.csv'}:2"


def test_class_folders(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "set", "train/hug/a.mp4", "test/wave/b.webm")
    listed = read_lists(root)
    assert listed.files[0].format == "class folders"
    assert [(video.split, video.class_name, video.source) for video in listed.videos] == [
        ("test", "wave", "b"),
        ("train", "hug", "a"),
    ]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("meta_train", "train"),
        ("train_few_shot", "train"),
        ("testlist01", "test"),
        ("Validation", "val"),
        ("train_test", ""),
        ("classes", ""),
        ("contrast", ""),
    ],
)
def test_the_split_in_a_name(name: str, split: str) -> None:
    assert split_in(name) == split


def test_the_split_of_a_line(tmp_path: Path) -> None:
    # One file of all splits: lines speak. A test list under another name: the name speaks. Else the folder.
    listed = read_lists(write_lists(tmp_path / "one", all=["train0/1", "val0/2", "test0/3"]))
    assert [video.split for video in listed.videos] == ["train", "val", "test"]
    listed = read_lists(write_lists(tmp_path / "two", val=["test0/1"]))
    assert [(video.split, video.line_split, video.class_name) for video in listed.videos] == [
        ("val", "test", "test0")
    ]
    write_lists(tmp_path / "three" / "train", list=["hug/a"])
    write_lists(tmp_path / "three" / "test", list=["wave/b"])
    assert read_lists(tmp_path / "three").splits == ("train", "test")


def test_folders_that_do_not_name_the_index_are_not_class_names(tmp_path: Path) -> None:
    listed = read_lists(write_lists(tmp_path, train=["train0//videos/a.avi", "train1//videos/b.avi"]))
    assert [video.class_name for video in listed.videos] == ["train0", "train1"]
    assert not listed.videos[0].has_class_name


def test_files_without_a_split_are_passed_over_and_said(tmp_path: Path) -> None:
    folder = write_lists(tmp_path, train=["hug/a"], classes=["0 hug"])
    assert read_lists(folder).passed_over == (folder / "classes.txt",)


def test_ids_are_local_when_every_class_counts_from_one(tmp_path: Path) -> None:
    local = write_lists(
        tmp_path / "a", train=[f"{name}/{k:03}" for name in ("hug", "wave") for k in range(4)]
    )
    assert not read_lists(local).ids_are_global
    leak = write_lists(tmp_path / "b", train=[*(f"hug/h{k}" for k in range(8)), "wave/h0"])
    assert read_lists(leak).ids_are_global


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"train\.txt lists no videos; give a list with a line for each$"),
        (
            ["train0/1", "train1/2", "oops"],
            r"train\.txt:3: expected a line like train8/78687, as 2 others are, got",
        ),
        (["oops"], r"train\.txt:1: expected class/video, train8/78687 or a CSV header, got 'oops'; correct"),
        (["path,class", "a"], r"train\.txt:2: expected 2 cells, got 1; correct the line$"),
        (["path,class", "a,"], r"train\.txt:2: the video or its class is empty; fill it in$"),
    ],
)
def test_refused_lists(lines: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_lists(write_lists(tmp_path, train=lines))


def test_refused_places(tmp_path: Path) -> None:
    write_lists(tmp_path / "a", train=["hug/a"])
    write_lists(tmp_path / "b", train=["hug/a"])
    with pytest.raises(DataError, match=r"holds lists in 2 folders \(.*: give the folder of one data set$"):
        read_lists(tmp_path)
    with pytest.raises(DataError, match=r"^no list .*tran\.txt; did you mean .*train\.txt\?$"):
        read_lists(tmp_path / "a" / "tran.txt")
    with pytest.raises(DataError, match=r"^no lists given; name the files or their folder$"):
        read_lists([])
    (tmp_path / "x.csv").write_text("a,b\n")
    with pytest.raises(
        DataError, match=r"x\.csv: expected a header such as path,class,split, got 'a,b'; add it"
    ):
        read_lists(tmp_path / "x.csv")
    unsplit = write_lists(tmp_path / "c", first=["hug/a"], second=["wave/b"])
    with pytest.raises(DataError, match=r"first\.txt:1: neither the name nor the line says the split; name"):
        read_lists(unsplit)


def test_counts_of_a_small_list(tmp_path: Path) -> None:
    listed = read_lists(write_lists(tmp_path, train=["hug/a", "hug/b", "wave/c", "hug/a"], test=["clap/d"]))
    train, test = count_splits(listed).values()
    assert (train.classes, train.lines, train.videos) == (2, 4, 3)
    assert (train.smallest, train.smallest_class) == (1, "wave")
    assert (test.classes, test.videos) == (1, 1)


def test_a_benchmark_is_known_by_ids_and_counts(tmp_path: Path) -> None:
    names: tuple[Benchmark, ...] = ("ssv2-small", "ssv2-full")
    for name in names:
        lines = {}
        for split in ("val", "test"):
            count = published_counts(name)[split]
            lines[split] = [f"{split}{k % count.classes}/{k}" for k in range(count.videos)]
        assert recognise_benchmark(read_lists(write_lists(tmp_path / name, **lines)))[0] == name
    few = read_lists(write_lists(tmp_path / "few", train=["train0/1", "train1/2"]))
    assert recognise_benchmark(few) == (
        None,
        "its ids look like those of ssv2-small, but its counts are far from them",
    )
    own = read_lists(write_lists(tmp_path / "own", train=["hug/my clip"]))
    assert recognise_benchmark(own) == (None, "its ids are not those of a benchmark we know")


def test_the_published_table() -> None:
    totals = {name: sum(count.videos for count in one.counts.values()) for name, one in PUBLISHED.items()}
    classes = {name: sum(count.classes for count in one.counts.values()) for name, one in PUBLISHED.items()}
    assert totals == {
        "ssv2-full": 71_796,
        "ssv2-small": 10_000,
        "kinetics-100": 10_000,
        "ucf-101": 13_320,
        "hmdb-51": 6_766,
    }
    assert classes == {
        "ssv2-full": 100,
        "ssv2-small": 100,
        "kinetics-100": 100,
        "ucf-101": 101,
        "hmdb-51": 51,
    }
