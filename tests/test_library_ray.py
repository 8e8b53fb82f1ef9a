"""A collection described on a Ray cluster: the same shards, whatever happens to its workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from a2m2.errors import ConfigError
from a2m2.library import IndexRecord, IndexSettings, index_collection
from a2m2.recognize.origin import Origin
from a2m2.video import write_clip
from ray_worker import LOG
from tiny_clips import moving_square

SMALL = {
    "origin": Origin("backbone", "motion-filters"),
    "num_frames": 4,
    "size": 48,
    "fit_clips": 4,
    "shard_size": 7,
    "num_threads": 2,
}
NUM_CLIPS = 40


def quiet(what: str, done: int, total: int) -> None:
    """Nobody watches."""


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but locks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_without_ray_it_says_what_to_install(
    tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'a2m2\[ray\]', or --engine local"):
        index_collection(
            clips,
            tmp_path / "index",
            settings=IndexSettings(**SMALL, engine="ray"),
            cache=tmp_path / "cache",
            progress=quiet,
        )


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips, one of which cannot be decoded, and one with a name that is no UTF-8."""
    root = tmp_path_factory.mktemp("clips")
    for seed in range(NUM_CLIPS):
        write_clip(root / f"{seed:02}.mp4", moving_square(("right", "left", "down", "up")[seed % 4], seed))
    whole = (root / "11.mp4").read_bytes()
    (root / "11.mp4").write_bytes(whole[: len(whole) // 2])
    os.rename(root / "20.mp4", os.fsencode(root) + b"/20-\xff.mp4")
    return root


@pytest.fixture(scope="module")
def local(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The index that one machine makes."""
    place = tmp_path_factory.mktemp("local")
    settings = IndexSettings(**SMALL)
    index_collection(clips, place / "index", settings=settings, cache=place / "cache", progress=quiet)
    return content(place / "index")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cluster of two cores whose workers note what they do; the notes."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]))
    monkeypatch.setenv(LOG, str(tmp_path / "notes"))
    ray.init(
        num_cpus=2,
        log_to_driver=False,
        include_dashboard=False,
        object_store_memory=100_000_000,
        runtime_env={"worker_process_setup_hook": "ray_worker.install"},
    )
    yield tmp_path / "notes"
    ray.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_killed_workers_and_a_stopped_run_change_no_byte(
    clips: Path, local: dict[str, bytes], cluster: Path, tmp_path: Path
) -> None:
    """And a lost worker repeats only its own part."""
    killed: list[int] = []

    class Stop(Exception):
        """As a kill of the driver."""

    def kill_a_worker(notes: int) -> None:
        """Wait for so many notes; the process that made the last one is then in the middle of its part."""
        while not cluster.is_file() or cluster.read_text().count("\n") < notes:
            time.sleep(0.01)
        killed.append(int(cluster.read_text().splitlines()[-1].split()[0]))
        os.kill(killed[-1], signal.SIGKILL)

    def stop(what: str, done: int, total: int) -> None:
        if what == "describing clips" and done == 25:
            raise Stop

    def run(folder: Path, progress: Callable[[str, int, int], None]) -> IndexRecord:
        settings = IndexSettings(**SMALL, engine="ray")
        return index_collection(clips, folder, settings=settings, cache=tmp_path / "cache", progress=progress)

    with ThreadPoolExecutor() as threads:
        killing = threads.submit(kill_a_worker, 13)
        assert run(tmp_path / "index", quiet).described == NUM_CLIPS - 1
        killing.result()
    assert content(tmp_path / "index") == local
    notes = [line.split() for line in cluster.read_text().splitlines()]
    times = Counter(digest for _, digest in notes)
    repeated = {digest for digest, count in times.items() if count > 1}
    assert len(times) == NUM_CLIPS
    assert 0 < len(repeated) < NUM_CLIPS / 2
    assert repeated <= {digest for pid, digest in notes if int(pid) == killed[0]}

    with pytest.raises(Stop):
        run(tmp_path / "stopped", stop)
    kept = content(tmp_path / "stopped")
    assert set(kept) <= set(local)
    record = run(tmp_path / "stopped", quiet)
    assert content(tmp_path / "stopped") == local
    assert record.kept == 21  # three shards of seven
    assert [clip.name for clip in record.broken] == ["11.mp4"]
