"""Folders and manifests: what is read, in which order, and what each refusal says."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path

import pytest

from a2m2.data import Dataset, VideoRecord, load_dataset, read_annotation
from a2m2.data.folders import VIDEO_SUFFIXES
from a2m2.errors import DataError
from a2m2.records import SubActionSpan


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def span_text(name: str, start: str, end: str) -> str:
    return f'{{"spans": [{{"name": {name}, "start_seconds": {start}, "end_seconds": {end}}}]}}'


def manifest(root: Path, text: str, name: str = "manifest.csv") -> Path:
    path = root / name
    path.write_text(text, encoding="utf-8")
    return path


# --- folders -----------------------------------------------------------------------------


def test_class_folders(tmp_path: Path) -> None:
    touch(tmp_path, "wave/b.mp4", "wave/a.MOV", "clap/c.webm", "clap/notes.txt", "clap/c.json", ".git/x.mp4")
    touch(tmp_path, "clap/.c.mp4", "readme.md", "classes.json")
    dataset = load_dataset(tmp_path)
    assert dataset.video_names == ("clap/c.webm", "wave/a.MOV", "wave/b.mp4")
    assert dataset.classes == ("clap", "wave")
    assert dataset.video_classes == (0, 1, 1)
    assert dataset.splits == ()
    assert dataset.name == tmp_path.name
    assert len(dataset) == 3
    assert [video.annotation for video in dataset.videos] == [tmp_path / "clap/c.json", None, None]
    assert all(video.path == tmp_path / video.name and video.split == "" for video in dataset.videos)


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_every_kind_of_video(tmp_path: Path, suffix: str) -> None:
    assert len(load_dataset(touch(tmp_path, f"wave/a{suffix}", f"wave/b{suffix.upper()}"))) == 2


def test_split_folders_whatever_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "train/wave/a.mp4", "Test/clap/b.mp4", "camera 2/wave/c.mp4")
    dataset = load_dataset(tmp_path)
    assert dataset.splits == ("Test", "camera 2", "train")
    assert dataset.classes == ("clap", "wave")
    assert load_dataset(tmp_path, splits=["train", "camera 2"]).video_names == (
        "camera 2/wave/c.mp4",
        "train/wave/a.mp4",
    )
    # Class names are names: pooled splits with a class of the same name have it once.
    assert load_dataset(tmp_path, splits=["train", "camera 2"]).classes == ("wave",)


def test_frame_folders_are_clips_and_not_classes(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "wave/v1.2/0001.jpg",
        "wave/v1.2/0002.jpg",
        "wave/v2/0001.PNG",
        "wave/v1.2.json",
        "clap/v3/1.jpeg",
    )
    dataset = load_dataset(tmp_path)
    assert dataset.video_names == ("clap/v3", "wave/v1.2", "wave/v2")
    assert dataset.splits == ()
    assert dataset.videos[1].annotation == tmp_path / "wave/v1.2.json"
    split = load_dataset(touch(tmp_path / "s", "train/wave/v1/1.jpg", "test/wave/v2/1.jpg"))
    assert split.splits == ("test", "train")


def test_previews_beside_videos_and_clip_folders_are_ignored(tmp_path: Path) -> None:
    touch(tmp_path, "wave/a.mp4", "wave/poster.jpg", "clap/preview.png", "clap/v1/1.jpg", "cover.jpg")
    assert load_dataset(tmp_path).video_names == ("clap/v1", "wave/a.mp4")


def test_links_are_followed(tmp_path: Path) -> None:
    touch(tmp_path / "store", "x.mp4", "many/y.mp4")
    (tmp_path / "set" / "wave").mkdir(parents=True)
    (tmp_path / "set" / "wave" / "a.mp4").symlink_to(tmp_path / "store" / "x.mp4")
    (tmp_path / "set" / "clap").symlink_to(tmp_path / "store" / "many")
    assert load_dataset(tmp_path / "set").video_names == ("clap/y.mp4", "wave/a.mp4")


def test_the_order_of_the_disk_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # "a-b/" sorts before "a/", though "a" sorts before "a-b": names are sorted whole.
    names = [f"{split}/c{i}/v{j}.mp4" for split in ("a", "a-b") for i in range(4) for j in range(5)]
    dataset = load_dataset(touch(tmp_path, *names))
    scandir = os.scandir

    class Shuffled:
        def __init__(self, path: str) -> None:
            with scandir(path) as entries:
                self.entries = list(entries)
            random.Random(3).shuffle(self.entries)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *error: object) -> None:
            return None

    monkeypatch.setattr(os, "scandir", Shuffled)
    again = load_dataset(tmp_path)
    assert again == dataset
    assert again.video_names == tuple(sorted(names))
    assert again.digest() == dataset.digest()


REFUSED_FOLDERS = [
    (["a.mp4"], r"^a\.mp4 lies directly in .*; put clips into folders named after their classes$"),
    (
        ["a/b/c/d.mp4"],
        r"^a/b/c/d\.mp4 lies too deep in .*; expected ROOT/CLASS/clip\.mp4 or ROOT/SPLIT/CLASS",
    ),
    (["a/b/c/d/e/f.mp4"], r"^no videos in "),
    (
        ["wave/a.mp4", "test/clap/b.mp4"],
        r"^clips at two depths in .*: wave/a\.mp4 and test/clap/b\.mp4; keep CLASS/clip",
    ),
    (
        ["wave/v1/1.jpg", "wave/v1/small/1.jpg", "wave/v2/1.jpg"],
        r"^clips at two depths in .*: wave/v2 and wave/v1/small;",
    ),
    (
        ["Train/a.mp4", "VAL/b.mp4"],
        r"^Train, VAL in .* look like splits but hold no class folders; expected ROOT",
    ),
    (
        ["wave/notes.txt", "a.json"],
        r"^no videos in .*; expected ROOT/CLASS/clip\.mp4 .*\(one of 3gp avi .*jpg or png",
    ),
    (["0001.jpg", "0002.jpg"], r" holds images but no class folders; expected ROOT/CLASS/clip\.mp4"),
    (
        ["wave/a.mp4", "clap/a.txt", "jump/b.txt"],
        r": no videos in clap, jump; add clips or remove the folders",
    ),
    (["t/wave/a.mp4", "t/clap/a.txt", "v/jump/x/b.txt"], r": no videos in t/clap, v; add clips"),
]


@pytest.mark.parametrize(("names", "message"), REFUSED_FOLDERS)
def test_layouts_that_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(touch(tmp_path, *names))


def test_a_class_named_like_a_split_is_a_class_among_others(tmp_path: Path) -> None:
    assert load_dataset(touch(tmp_path, "train/a.mp4", "plane/b.mp4")).classes == ("plane", "train")


def test_roots_that_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "gestures/wave/a.mp4", "list.txt")
    with pytest.raises(DataError, match=r"^no folder or manifest .*gesturs; did you mean .*gestures\?$"):
        load_dataset(tmp_path / "gesturs")
    with pytest.raises(
        DataError, match=r"list\.txt is a file; give a folder of class folders or a manifest that ends"
    ):
        load_dataset(tmp_path / "list.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"^no videos in "):
        load_dataset(tmp_path / "empty")


def test_splits_that_do_not_exist(tmp_path: Path) -> None:
    touch(tmp_path, "s/train/wave/a.mp4", "s/val/wave/b.mp4", "plain/wave/a.mp4")
    with pytest.raises(DataError, match=r"^s has no split 'trian', only train, val; did you mean 'train'\?$"):
        load_dataset(tmp_path / "s", splits=["trian"])
    with pytest.raises(DataError, match=r"^s has no split 'zzz', only train, val; name one of them$"):
        load_dataset(tmp_path / "s", splits=["zzz"])
    with pytest.raises(DataError, match=r"^plain has no splits, but 'test' was asked for; ask for none$"):
        load_dataset(tmp_path / "plain", splits=["test"])


def test_empty_folders_matter_in_the_splits_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, "train/wave/a.txt", "train/clap/x.mp4", "test/wave/b.mp4")
    assert load_dataset(tmp_path, splits=["test"]).video_names == ("test/wave/b.mp4",)
    with pytest.raises(DataError, match=r": no videos in train/wave; add clips"):
        load_dataset(tmp_path, splits=["train"])


def test_links_that_lead_nowhere_or_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "a/wave/a.mp4", "b/wave/a.mp4")
    (tmp_path / "a/wave/b.mp4").symlink_to(tmp_path / "gone.mp4")
    with pytest.raises(DataError, match=r"b\.mp4 is a link to a missing file; mend or remove it$"):
        load_dataset(tmp_path / "a")
    (tmp_path / "b/wave/again").symlink_to(tmp_path / "b", target_is_directory=True)
    with pytest.raises(DataError, match=r"wave/again/wave/a\.mp4 lies too deep"):
        load_dataset(tmp_path / "b")


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_one_file_under_two_names_is_refused(tmp_path: Path, link: object) -> None:
    touch(tmp_path, "train/wave/a.mp4", "test/clap/b.mp4")
    link(tmp_path / "train/wave/a.mp4", tmp_path / "test/clap/z.mp4")  # type: ignore[operator]
    message = r": test/clap/z\.mp4 and train/wave/a\.mp4 are the same file in splits test and train; keep"
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path, splits=["test"])


# --- manifests ---------------------------------------------------------------------------


def test_manifest_and_folder_give_the_same_videos(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "train/wave/a.mp4", "test/clap/v1/1.jpg", "test/clap/v1.json")
    path = manifest(root, "path,class,split\ntrain/wave/a.mp4,wave,train\ntest/clap/v1,clap,test\n")
    folder, listed = load_dataset(root), load_dataset(path)
    assert listed == folder
    assert listed.digest() == folder.digest()
    assert load_dataset(path, splits=["test"]) == load_dataset(root, splits=["test"])


def test_manifest_with_optional_columns_spaces_and_a_byte_order_mark(tmp_path: Path) -> None:
    touch(tmp_path, "v/a.mp4", "v/b, c.ogv")
    text = '\ufeffClass, Path ,source,digest\nwave,v/a.mp4 ,camera,00\n\n"clap","./v/../v/b, c.ogv",,\n'
    dataset = load_dataset(manifest(tmp_path, text, "mine.csv"))
    assert dataset.name == "mine"
    assert [(v.name, v.class_name, v.split) for v in dataset.videos] == [
        ("v/a.mp4", "wave", ""),
        ("v/b, c.ogv", "clap", ""),
    ]


def test_no_name_holds_a_path_of_this_machine(tmp_path: Path) -> None:
    touch(tmp_path / "disk", "wave/a.mp4", "clap/b.mp4")
    (tmp_path / "lists").mkdir()
    text = f"path,class\n{tmp_path}/disk/wave/a.mp4,wave\n../disk/clap/b.mp4,clap\n"
    dataset = load_dataset(manifest(tmp_path / "lists", text))
    assert dataset.video_names == ("clap/b.mp4", "wave/a.mp4")
    assert dataset.root == tmp_path / "disk"
    inside = load_dataset(manifest(tmp_path, f"path,class\n{tmp_path}/disk/wave/a.mp4,wave\n"))
    assert inside.video_names == ("disk/wave/a.mp4",)


HEAD = "path,class,split\n"
REFUSED_MANIFESTS = [
    ("", r": expected the header path,class,split, got nothing; correct the first line$"),
    (HEAD, r"manifest\.csv lists no videos; add a line for each$"),
    ("a.mp4,wave,train\n", r": unknown column 'a\.mp4'; known are path, class, split, source, digest$"),
    ("path,class,spilt\n", r": unknown column 'spilt'; did you mean 'split'\?$"),
    ("path;class;split\n", r": expected the header path,class,split; separate the columns by commas$"),
    ("path,split\n", r": expected the header path,class,split, got path,split; correct the first line$"),
    ("path,class,class\n", r": expected the header path,class,split, got path,class,class; correct"),
    (HEAD + "a.mp4,wave\n", r" line 2: expected 3 cells, got 2; correct the line$"),
    (HEAD + "a.mp4,wave,t\n,wave,t\n", r" line 3: the path is empty; fill it in$"),
    (HEAD + "a.mp4, ,t\n", r" line 2: the class is empty; fill it in$"),
    (HEAD + "a.mp4,wave,t\nb.mp4,wave,\n", r" line 3: the split is empty although other lines have one"),
    (HEAD + "a.mp4,wave,t\n./a.mp4,wave,t\n", r" lines 2 and 3: \./a\.mp4 is listed twice; remove one"),
    (HEAD + "a.mp4,wave,t\na.mp4,wave,v\n", r" lines 2 and 3: a\.mp4 is in two splits, t and v; keep one$"),
    (HEAD + "a.mp4,wave,t\na.mp4,clap,t\n", r" lines 2 and 3: a\.mp4 is in two classes, wave and clap"),
    (HEAD + "".join(f"{i}.mp4,wave,t\n" for i in range(5)) + "a.mp4,wave,t\n",
     r"^5 of 6 videos in .*manifest\.csv are missing: 0\.mp4, 1\.mp4, 2\.mp4 and 2 more; check their paths"),
    (HEAD + "folder,wave,t\n", r": folder is a folder without jpg or png frames; name a clip$"),
    (HEAD + "a.mp4,wave,t\nlink.mp4,wave,t\n", r": a\.mp4 and link\.mp4 are the same file; keep"),
    (HEAD + '"a.mp4,wave,t\n', r"^cannot read the manifest .*; save it as CSV in UTF-8$"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED_MANIFESTS)
def test_manifests_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    touch(tmp_path, "a.mp4", "b.mp4", "folder/readme.txt")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "a.mp4")
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(manifest(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_manifest_of_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes("path,class\nfußball.mp4,spiel\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"^cannot read the manifest .*m\.csv: .*; save it as CSV in UTF-8$"):
        load_dataset(tmp_path / "m.csv")


def test_missing_files_matter_in_the_splits_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    path = manifest(tmp_path, "path,class,split\na.mp4,wave,test\ngone.mp4,clap,train\n")
    assert load_dataset(path, splits=["test"]).video_names == ("a.mp4",)
    with pytest.raises(DataError, match=r"^1 of 2 videos in .* are missing: gone\.mp4; check their paths"):
        load_dataset(path)


# --- the value itself --------------------------------------------------------------------


def test_digest_names_videos_classes_and_contents_but_not_places() -> None:
    def make(root: str, class_name: str = "wave", split: str = "t") -> Dataset:
        return Dataset("d", Path(root), (VideoRecord("a.mp4", Path(root) / "a.mp4", class_name, split),))

    digest = make("/x").digest()
    assert re.fullmatch("[0-9a-f]{16}", digest)
    assert make("/y", split="v").digest() == digest
    assert make("/x", "clap").digest() != digest
    assert make("/x").digest(contents=["00"]) not in (digest, make("/x").digest(contents=["01"]))
    with pytest.raises(ValueError, match=r"^expected 1 content digests, got 2$"):
        make("/x").digest(contents=["00", "01"])


def test_videos_out_of_order_are_refused() -> None:
    records = tuple(VideoRecord(name, Path(name), "wave") for name in ("b", "a"))
    with pytest.raises(
        ValueError, match=r"^expected videos sorted by name, each once, got 'a' out of order$"
    ):
        Dataset("d", Path("."), records)


def test_select_takes_one_name_or_several(tmp_path: Path) -> None:
    dataset = load_dataset(touch(tmp_path, "train/wave/a.mp4", "val/wave/b.mp4", "test/clap/c.mp4"))
    assert dataset.select(()) is dataset
    assert repr(dataset).endswith(": 3 videos, 2 classes, splits test, train, val)")
    assert load_dataset(tmp_path, splits="val") == dataset.select("val")
    assert dataset.select("val").video_names == ("val/wave/b.mp4",)
    assert dataset.select(["val", "test"]).splits == ("test", "val")


# --- annotations -------------------------------------------------------------------------


def test_annotations_are_read_in_order(tmp_path: Path) -> None:
    spans = [
        {"name": "up", "start_seconds": 0, "end_seconds": 0.5},
        {"name": "down", "start_seconds": 0.5, "end_seconds": 1.25, "note": "ignored"},
    ]
    path = manifest(tmp_path, json.dumps({"spans": spans, "seed": 3}), "clip.json")
    assert read_annotation(path) == (SubActionSpan("up", 0.0, 0.5), SubActionSpan("down", 0.5, 1.25))


def test_absent_annotations_are_empty(tmp_path: Path) -> None:
    assert read_annotation(None) == ()
    assert read_annotation(tmp_path / "gone.json") == ()
    assert read_annotation(manifest(tmp_path, '{"title": "from a downloader"}', "c.json")) == ()


DAMAGED_ANNOTATIONS = [
    ('{"spans": [', r"^cannot read the annotation .*c\.json: .*; correct or remove it$"),
    ("[]", r"expected a JSON object with 'spans', got a list; correct it$"),
    ('{"spans": {}}', r"expected 'spans' to be a list, got a dict; correct it$"),
    ('{"spans": [3]}', r"span 1: expected name, start_seconds and end_seconds, got 3; correct it$"),
    (
        '{"spans": [{"name": "up", "start_seconds": 0}]}',
        "span 1: expected name, start_seconds and end_seconds",
    ),
    (span_text('""', "0", "1"), "span 1: expected a name, got ''"),
    (span_text('"a"', "true", "1"), "expected seconds as numbers, got True"),
    (span_text('"a"', "0", "NaN"), "expected seconds as numbers, got nan"),
    (span_text('"a"', "2", "1"), "expected 0 <= start <= end, got 2 and 1"),
    (span_text('"a"', "-1", "1"), "expected 0 <= start <= end, got -1 and 1"),
]


@pytest.mark.parametrize(("text", "message"), DAMAGED_ANNOTATIONS)
def test_damaged_annotations_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_annotation(manifest(tmp_path, text, "c.json"))
