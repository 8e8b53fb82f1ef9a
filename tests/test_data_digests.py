"""Content digests and their memory: never stale, never half-read, shared by processes."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from pathlib import Path

import pytest

from a2m2.data import DigestCache, content_digest, default_cache, digests, identical_contents
from a2m2.errors import DataError, OutputError


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Paths whose content is really read."""
    read: list[Path] = []

    def count(path: Path) -> str:
        read.append(path)
        return content_digest(path)

    monkeypatch.setattr(digests, "content_digest", count)
    return read


def frames(folder: Path, **contents: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.jpg").write_text(content)
    return folder


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    content = os.urandom(3_000_001)
    (tmp_path / "a.mp4").write_bytes(content)
    assert content_digest(tmp_path / "a.mp4") == hashlib.sha256(content).hexdigest()[:32]


def test_a_frame_folder_is_named_by_its_images_alone(tmp_path: Path) -> None:
    first = content_digest(frames(tmp_path / "a", f1="x", f2="yz"))
    assert content_digest(frames(tmp_path / "b", f2="yz", f1="x")) == first
    (tmp_path / "b" / "info.txt").write_text("ignored")
    assert content_digest(tmp_path / "b") == first
    others = [
        frames(tmp_path / "c", f1="xy", f2="z"),
        frames(tmp_path / "d", f1="x", f3="yz"),
        frames(tmp_path / "e", f1="x"),
    ]
    assert len({first, *map(content_digest, others)}) == 4
    # One frame that holds what two frames look like, one after the other.
    two, one = frames(tmp_path / "two", f1="x", f2="y"), frames(tmp_path / "one", f1="xf2.jpg\0\0y")
    assert content_digest(two) != content_digest(one)


def test_unreadable_videos_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"^cannot read .*gone\.mp4: no such file or directory; check the file$"
    ):
        content_digest(tmp_path / "gone.mp4")
    with pytest.raises(DataError, match=r"^cannot read .*gone\.mp4: no such file"):
        DigestCache(tmp_path).digest(tmp_path / "gone.mp4")


def test_a_second_run_reads_nothing(tmp_path: Path, counted: list[Path]) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_text("x")
    folder = frames(tmp_path / "f", f1="x")
    first = DigestCache(tmp_path / "cache").digests([clip, folder, clip])
    assert first == [content_digest(clip), content_digest(folder), content_digest(clip)]
    counted.clear()
    assert DigestCache(tmp_path / "cache").digests([clip, folder]) == first[:2]
    (tmp_path / "link.mp4").symlink_to(clip)
    assert DigestCache(tmp_path / "cache").digest(tmp_path / "link.mp4") == first[0]
    assert counted == []


def test_a_changed_video_is_read_again(tmp_path: Path, counted: list[Path]) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_text("old")
    folder = frames(tmp_path / "f", f1="old", f2="old")
    before = DigestCache(tmp_path).digests([clip, folder])
    for path in (clip, folder / "f1.jpg"):
        path.write_text("new")  # same length
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    after = DigestCache(tmp_path).digests([clip, folder])
    assert sorted(counted) == sorted([clip, folder] * 2)  # threads take them in any order
    assert set(before).isdisjoint(after)
    assert DigestCache(tmp_path).digests([clip, folder]) == after


def test_a_file_that_grows_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_text("x")

    def read_and_grow(path: Path) -> str:
        digest = content_digest(path)
        path.write_text("xy")
        return digest

    monkeypatch.setattr(digests, "content_digest", read_and_grow)
    cache = DigestCache(tmp_path / "cache")
    cache.digest(clip)
    monkeypatch.undo()
    assert cache.digest(clip) == DigestCache(tmp_path / "cache").digest(clip) == content_digest(clip)


def test_damaged_lines_are_passed_over(tmp_path: Path, counted: list[Path]) -> None:
    for name in "ab":
        (tmp_path / f"{name}.mp4").write_text(name)
    cache = DigestCache(tmp_path)
    a = cache.digest(tmp_path / "a.mp4")
    with cache.path.open("ab") as file:
        file.write(b'\n["cut off\n[1, 2, 3]\n{}\n\xff\xfe\n3\n["x", "y"]\n["x", 3, "y"]\n["half')
    b = DigestCache(tmp_path).digest(tmp_path / "b.mp4")
    counted.clear()
    assert DigestCache(tmp_path).digests([tmp_path / "a.mp4", tmp_path / "b.mp4"]) == [a, b]
    assert counted == []


def test_a_cache_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(
        OutputError, match=r"digests\.jsonl cannot be read \(not a directory\); set A2M2_CACHE to another"
    ):
        DigestCache(tmp_path / "file" / "below")
    cache = DigestCache(tmp_path / "later")
    (tmp_path / "later").write_text("x")
    with pytest.raises(
        OutputError, match=r"^cannot write .*digests\.jsonl: a part of the path is a file; give a path"
    ):
        cache.digest(tmp_path / "file")
    (tmp_path / "digests.jsonl").mkdir()
    with pytest.raises(
        OutputError, match=r"digests\.jsonl cannot be read \(is a directory\); set A2M2_CACHE to another"
    ):
        DigestCache(tmp_path)


def _fill(folder: Path, names: list[str]) -> None:
    DigestCache(folder / "cache").digests([folder / name for name in names], num_threads=4)


def test_processes_share_one_cache(tmp_path: Path, counted: list[Path]) -> None:
    names = [f"{i}.mp4" for i in range(300)]
    for name in names:
        (tmp_path / name).write_text(name)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_fill, args=(tmp_path, names[i:] + names[:i])) for i in (0, 100)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    counted.clear()
    assert DigestCache(tmp_path / "cache").digests([tmp_path / name for name in names]) == [
        hashlib.sha256(name.encode()).hexdigest()[:32] for name in names
    ]
    assert counted == []


def test_identical_contents() -> None:
    assert identical_contents({"b": "1", "a": "1", "c": "2", "e": "3", "d": "3"}) == (("a", "b"), ("d", "e"))
    assert identical_contents({}) == ()


def test_default_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("A2M2_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("A2M2_CACHE", "~/mine")
    assert default_cache() == Path("/somewhere/mine")
    monkeypatch.setenv("A2M2_CACHE", "")
    assert default_cache() == Path("/somewhere/.cache/a2m2")

    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(
        OutputError, match=r"^no home folder to keep features in; set A2M2_CACHE to a folder$"
    ):
        default_cache()
