"""Full and read-only disks, files that may not be read, videos that change, two processes at once.

Each time the message is one line that names the place, and what was there before is what is there afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from a2m2.bench.kills import content_of, differences
from a2m2.data import DigestCache, content_digest
from a2m2.errors import OutputError
from a2m2.train.folder import TrainingFolder
from a2m2.train_records import Metric, read_metrics
from test_cli import call, error_line
from tiny_clips import make_dataset
from train_fixtures import TINY

SPLITS = {"train": ["right", "left", "down"], "val": ["up", "still"], "test": ["right", "left"]}
SEE = ("--backbone", "motion-filters")
SIGHT = (*SEE, "--frames", "4", "--size", "32")
SMALL = ("--set", "video.num_frames=4", "--set", "video.resize=32", "--set", "video.crop=32")
FEW = ("--set", "m2.components=4", "--way", "2", "--episodes", "10", "--pictures", "1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_dataset(tmp_path_factory.mktemp("data") / "squares", splits=SPLITS, clips_per_class=2)
    lists = folder.parent / "lists"
    lists.mkdir()
    (lists / "test.txt").write_text("right/00\nright/01\nleft/00\nleft/01\n")
    return folder


def words(name: str, data: Path, place: Path, *, first: bool) -> list[str]:
    """Arguments of a command that writes ``place/NAME``: of the run before the trouble, or of the one in it."""
    out, cache = place / name, ("--cache", str(place / "cache"))
    part = "train" if first else "test"
    match name:
        case "tested":
            seed = "0" if first else "1"
            options = [*SEE, *SMALL, *FEW, "--split", "test", "--seed", seed, "--out", str(out), *cache]
            return ["evaluate", "--data", str(data), *options]
        case "actions.a2m2":
            return ["enrol", str(data / part), "--out", str(out), *SIGHT, *cache]
        case "index":
            clips = data / "train" if first else data
            return ["index", str(clips), "--out", str(out), *SIGHT, "--shard-size", "2", *cache]
        case "trained":
            sets = [word for override in (*TINY, "pretrain.steps=2") for word in ("--set", override)]
            return ["pretrain", "--data", str(data), "--out", str(out), "--device", "cpu", *sets, *cache]
        case "videos.csv":
            lists = ["--lists", str(data.parent / "lists"), "--out", str(out), *cache]
            return ["data", "import", str(data / "test"), *lists, *(["--no-digest"] if first else [])]
        case "episodes.csv":
            return [
                "episodes",
                str(data),
                "--out",
                str(out),
                "--way",
                "2",
                "--episodes",
                "9" if first else "2000",
            ]
    raise AssertionError(name)


OVER_ANOTHER = ("tested", "actions.a2m2", "index", "videos.csv", "episodes.csv")


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    """A file system of 4 MiB of its own."""
    place = Path(tempfile.mkdtemp(prefix="a2m2-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(place)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        place.rmdir()
        pytest.skip("only the super-user of a machine can mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


@pytest.fixture(scope="module")
def filled(disk: Path, data: Path) -> Path:
    """The disk with what each command writes."""
    with pytest.MonkeyPatch.context() as patch:
        for name in OVER_ANOTHER:
            assert call(patch, *words(name, data, disk, first=True)) == 0
    return disk


def content(folder: Path) -> dict[str, bytes]:
    """Every file below, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def without_space(disk: Path, *, left: int) -> Iterator[None]:
    """The disk with ``left`` bytes left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            file.truncate(file.tell() - left)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


HALF_WAY = [("tested", 16), ("actions.a2m2", 16), ("index", 16), ("episodes.csv", 16)]


@pytest.mark.parametrize(("name", "left"), [*((name, 0) for name in (*OVER_ANOTHER, "trained")), *HALF_WAY])
def test_a_full_disk(
    name: str,
    left: int,
    filled: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = content(filled)
    with without_space(filled, left=left * 1024):
        assert call(monkeypatch, *words(name, data, filled, first=False)) == 1
    line = error_line(capsys)
    assert f"cannot write {filled}" in line
    assert "the disk is full; free some space or choose another place" in line
    after = content(filled)
    kept = {path: after.get(path) for path in before if not path.startswith("cache/digests")}
    assert kept == {path: before[path] for path in kept}
    assert not [path for path in after if "/." in path or path.startswith(".")]
    shutil.rmtree(filled / "trained", ignore_errors=True)


def test_no_half_line_of_metrics_is_left_on_a_full_disk(disk: Path) -> None:
    folder = TrainingFolder(disk / "measured")
    folder.path.mkdir()
    with (
        without_space(disk, left=8 * 1024),
        pytest.raises(OutputError, match=r"metrics\.jsonl: the disk is full"),
    ):
        for step in range(1000):
            folder.append(Metric(step, {"loss": 1 / 3}))
    steps = [metric.step for metric in read_metrics(folder.path)]
    assert steps == list(range(len(steps)))
    assert len(steps) > 100
    shutil.rmtree(folder.path)


@pytest.mark.parametrize("name", [*OVER_ANOTHER, "trained"])
def test_a_read_only_disk(
    name: str,
    filled: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = content(filled)
    with read_only(filled):
        assert call(monkeypatch, *words(name, data, filled, first=False)) == 1
    line = error_line(capsys)
    assert f"cannot write {filled}" in line
    assert "the file system is read-only; choose another place" in line
    assert content(filled) == before


@contextmanager
def not_the_super_user() -> Iterator[None]:
    """Without the rights that pass over permissions."""
    if sys.platform != "linux":
        pytest.skip("permissions are those of Linux here")
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody may write to."""
    folder = Path(tempfile.mkdtemp(prefix="a2m2-open-"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def test_a_clip_that_may_not_be_read(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_dataset(open_folder / "clips", splits={"": ["right", "left"]}, clips_per_class=2)
    secret = data / "left" / "01.mp4"
    secret.chmod(0)
    place = open_folder / "made"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    (place / "actions.a2m2").write_bytes(b"from before")
    cache = ("--cache", place / "cache")
    with not_the_super_user():
        assert call(monkeypatch, "enrol", data, "--out", place / "actions.a2m2", *SIGHT, *cache) == 1
        line = error_line(capsys)
        assert f"cannot read {secret}: permission denied; check the file" in line
        evaluate = ("evaluate", "--data", data, "--out", place / "tested", *SEE, *SMALL, *FEW, *cache)
        assert call(monkeypatch, *evaluate) == 1
        assert str(secret) in error_line(capsys)
        assert call(monkeypatch, "index", data, "--out", place / "index", *SIGHT, *cache) == 1
        assert "left out: left/01.mp4: " in capsys.readouterr().out
        (place / "cache" / "digests.jsonl").chmod(0)
        assert call(monkeypatch, *evaluate) == 1
        known = place / "cache" / "digests.jsonl"
        assert f"{known} cannot be read (permission denied); set A2M2_CACHE to another" in error_line(capsys)
    assert (place / "actions.a2m2").read_bytes() == b"from before"
    assert not (place / "tested").exists()


def test_a_changed_video_is_seen_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the new one has the size and the date of the old one."""
    data = make_dataset(tmp_path / "clips", splits={"": ["right", "left"]}, clips_per_class=2)
    video, other = data / "left" / "00.mp4", data / "right" / "00.mp4"
    cache = ("--cache", tmp_path / "cache")
    index = ("index", data, "--out", tmp_path / "index", *SIGHT, "--json", *cache)
    enrol = ("enrol", data, "--out", tmp_path / "actions.a2m2", *SIGHT, *cache)
    assert call(monkeypatch, *index) == 0
    assert call(monkeypatch, *enrol) == 0
    before = (tmp_path / "actions.a2m2").read_bytes()
    date, size = video.stat(), max(video.stat().st_size, other.stat().st_size)
    for path in (video, other):
        # Bytes after the end of an mp4's boxes are a box that is passed over.
        padding = size + 8 - path.stat().st_size
        path.write_bytes(path.read_bytes() + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8))
    capsys.readouterr()
    assert call(monkeypatch, *index) == 0
    digest = DigestCache(tmp_path / "cache").digest(video)
    changed = other.read_bytes()
    video.write_bytes(changed)
    os.utime(video, ns=(date.st_atime_ns, date.st_mtime_ns))
    capsys.readouterr()
    assert DigestCache(tmp_path / "cache").digest(video) == content_digest(other) != digest
    assert call(monkeypatch, *index) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["clips"], record["contents"], record["described"]) == (4, 3, 0)
    assert call(monkeypatch, *enrol) == 0
    assert (tmp_path / "actions.a2m2").read_bytes() != before


TWO_AT_ONCE = """
import json, sys
from pathlib import Path
from a2m2.bench.killing import Running, adopt_orphans
import a2m2.bench.kill_cases

adopt_orphans()
folder = Path(sys.argv[1])
for name, words in json.loads(sys.argv[2]).items():
    for number in (1, 2):
        place = folder / name / str(number)
        place.mkdir(parents=True)
        runs = []
        for run in range(number):
            arguments = [word.format(place=place) for word in words]
            runs.append(Running(arguments, folder=place, log=folder / f"{name}-{run}.log"))
        print(json.dumps([name, number, [run.end().status for run in runs]]), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forks and watches processes as Linux does")
def test_two_processes_at_once(data: Path, tmp_path: Path) -> None:
    """They share a cache; into one folder they write one after the other, or the second is refused."""
    place = Path("{place}")
    commands = {
        "results": words("tested", data, place, first=True),
        "index": words("index", data, place, first=False),
        "training": [*words("trained", data, place, first=True), "--resume"],
    }
    driver = [sys.executable, "-c", TWO_AT_ONCE, str(tmp_path), json.dumps(commands)]
    found = subprocess.run(driver, capture_output=True, text=True, check=True, timeout=200)
    ended = {(name, number): codes for name, number, codes in map(json.loads, found.stdout.splitlines())}
    for name in commands:
        assert ended[name, 1] == [0]
        assert 0 in ended[name, 2]
        for run, status in enumerate(ended[name, 2]):
            if status:
                told = (tmp_path / f"{name}-{run}.log").read_text(encoding="utf-8")
                assert "error: another process is writing into" in told, told
                assert name != "results"
        alone, together = (content_of(tmp_path / name / str(number)) for number in (1, 2))
        assert differences(alone, together) == []
        assert not list((tmp_path / name).rglob(".*"))
