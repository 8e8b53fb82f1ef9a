"""Indexing and searching a library of clips: laws of what is found, of what a kill leaves, and of what changes."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from a2m2.data import content_digest
from a2m2.errors import ConfigError, DataError, OutputError, RecordError
from a2m2.eval.describe import concatenate
from a2m2.library import IndexRecord, IndexSettings, index_collection, open_library, plan_index
from a2m2.library import describing as describing_module
from a2m2.library.checked_files import is_whole
from a2m2.library.quantise import dequantise, quantise
from a2m2.library.search import pair_means
from a2m2.library.shards import open_shard, rows_of, shard_files, write_shard
from a2m2.library.sketch import fit_sketcher
from a2m2.matching import A2Matcher
from a2m2.matching.order import candidate_positions
from a2m2.recognize.origin import Origin
from a2m2.video import write_clip
from matching_fixtures import random_descriptors
from reference.matching import cosines, transport
from tiny_clips import moving_square

SMALL = IndexSettings(
    origin=Origin("backbone", "motion-filters"),
    num_frames=4,
    size=48,
    fit_clips=4,
    shard_size=3,
    num_threads=1,
)


def quiet(what: str, done: int, total: int) -> None:
    """Nobody watches."""


def index(clips: Path, folder: Path, **changes: object) -> IndexRecord:
    settings = IndexSettings(**{**vars(SMALL), **changes})
    return index_collection(clips, folder, settings=settings, cache=folder.parent / "cache", progress=quiet)


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips at two depths."""
    root = tmp_path_factory.mktemp("clips")
    for seed, name in enumerate(("right", "left", "down", "up") * 2):
        place = root / f"{seed}.mp4" if seed < 3 else root / "more" / name / f"{seed}.mp4"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_clip(place, moving_square(name, seed))
    return root


@pytest.fixture(scope="module")
def indexed(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their index; nobody writes into it."""
    folder = tmp_path_factory.mktemp("indexed") / "index"
    index(clips, folder)
    return folder


@pytest.fixture
def copied(indexed: Path, tmp_path: Path) -> Path:
    """A copy of the index, with the cache beside it."""
    shutil.copytree(indexed.parent, tmp_path / "copied")
    return tmp_path / "copied" / "index"


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the clips that are described from here on."""
    seen: list[str] = []
    describe = describing_module.sample_clip

    def noted(path: Path, *others: object) -> object:
        seen.append(path.name)
        return describe(path, *others)

    monkeypatch.setattr(describing_module, "sample_clip", noted)
    return seen


# --- what is found ---


def test_an_exhaustive_search_is_the_exact_ranking(indexed: Path, clips: Path, tmp_path: Path) -> None:
    """Against a slow loop over the equations of A² on the descriptors that the shards hold."""
    library = open_library(indexed)
    everything = library.contents.descriptors(library.catalogue.contents)
    example = everything[torch.tensor([4])]
    cosine = cosines(example, everything, centred=True)[0]
    equal = np.full(cosine.shape[-1], 1 / cosine.shape[-1])
    slow = 12.5 * np.array([1 - transport(1 - pair, equal, equal) for pair in cosine])
    rows, scores = library.rank(example, candidates=len(library))
    np.testing.assert_allclose(scores, np.sort(slow)[::-1], atol=1e-4)
    np.testing.assert_allclose(slow[rows], scores, atol=1e-4)


def test_a_clip_finds_itself_first_and_is_marked(indexed: Path, clips: Path, tmp_path: Path) -> None:
    library = open_library(indexed)
    record = library.search([clips / "2.mp4"], cache=tmp_path, top=3)
    assert (record.contents, record.compared, len(record.hits)) == (8, 8, 3)
    assert record.hits[0].names == ("2.mp4",)
    assert [hit.example for hit in record.hits] == [True, False, False]
    assert record.hits[0].score == pytest.approx(12.5, abs=0.05)


def test_scores_of_several_examples_are_means(indexed: Path, clips: Path, tmp_path: Path) -> None:
    library = open_library(indexed)
    examples = [clips / "0.mp4", clips / "1.mp4"]

    def scores(shown: list[Path]) -> dict[tuple[str, ...], float]:
        return {hit.names: hit.score for hit in library.search(shown, cache=tmp_path).hits}

    alone = [scores([example]) for example in examples]
    for names, score in scores(examples).items():
        assert score == pytest.approx(np.mean([one[names] for one in alone]), abs=1e-4)


def test_quantised_entries_are_off_by_half_a_step_at_most() -> None:
    values = random_descriptors(3, seed=0, dim=12).values.float()
    values[0, 0] = 0
    codes, scales = quantise(values, (8, 4))
    back = dequantise(codes, scales, (8, 4))
    step = (
        torch.cat(
            [
                values[..., :8].abs().amax(-1, True).expand(-1, -1, 8),
                values[..., 8:].abs().amax(-1, True).expand(-1, -1, 4),
            ],
            -1,
        )
        / 127
    )
    assert ((back - values).abs() <= step / 2 + 1e-6).all()
    assert codes.dtype == torch.int8
    assert not back[0, 0].any()


def test_a_shard_gives_back_what_was_written(tmp_path: Path) -> None:
    given = random_descriptors(2, seed=1, blocks=(8, 4), dtype=torch.float32)
    path = write_shard(tmp_path, 7, ["a", "b"], [rows_of(given)])
    shard = open_shard(path)
    assert (path.name[:7], shard.digests, shard.blocks, len(shard)) == ("000007-", ("a", "b"), (8, 4), 2)
    torch.testing.assert_close(shard.values([1]), given.values[1:], atol=0.05, rtol=0)
    torch.testing.assert_close(shard.energy, given.energy)
    torch.testing.assert_close(shard.spans, given.spans)


# --- what a kill leaves ---


@pytest.mark.parametrize("clip", [1, 5, 8])
def test_a_run_that_was_killed_ends_with_the_same_bytes(
    clips: Path, indexed: Path, tmp_path: Path, described: list[str], clip: int
) -> None:
    class Killed(BaseException):
        pass

    def kill(what: str, done: int, total: int) -> None:
        if what == "describing clips" and done == clip:
            raise Killed

    folder = tmp_path / "index"
    with pytest.raises(Killed):
        index_collection(clips, folder, settings=SMALL, cache=tmp_path / "cache", progress=kill)
    with pytest.raises(RecordError, match=r"index .* is not finished: no catalogue.*run 'a2m2 index' again"):
        open_library(folder)
    whole = sum(len(open_shard(path)) for path in shard_files(folder))
    assert whole == (clip - 1) // 3 * 3
    described.clear()
    record = index(clips, folder)
    assert (record.described, record.kept, len(described)) == (8 - whole, whole, 8 - whole)
    assert content(folder) == content(indexed)


def test_any_number_of_threads_gives_the_same_bytes(clips: Path, indexed: Path, tmp_path: Path) -> None:
    index(clips, tmp_path / "index", num_threads=3)
    assert content(tmp_path / "index") == content(indexed)


def test_a_damaged_shard_is_refused_by_name_and_made_again(
    clips: Path, copied: Path, indexed: Path, tmp_path: Path, described: list[str]
) -> None:
    shard = shard_files(copied)[1]
    data = bytearray(shard.read_bytes())
    data[-5] ^= 1
    shard.write_bytes(data)
    with pytest.raises(RecordError, match=f"{shard.name} is damaged: .*run 'a2m2 index' again"):
        open_library(copied).search([clips / "0.mp4"], cache=tmp_path)
    record = index(clips, copied)
    assert record.damaged == (shard.name,)
    assert len(described) == 3
    again, before = (
        {hit.names: hit.score for hit in open_library(folder).search([clips / "0.mp4"], cache=tmp_path).hits}
        for folder in (copied, indexed)
    )
    assert again == pytest.approx(before, abs=1e-4)


def test_a_missing_shard_and_a_damaged_catalogue_are_refused(
    copied: Path, clips: Path, tmp_path: Path
) -> None:
    shard = shard_files(copied)[0]
    shard.unlink()
    with pytest.raises(RecordError, match=f"{shard.name} is missing; run 'a2m2 index' again"):
        open_library(copied).search([clips / "0.mp4"], cache=tmp_path)
    catalogue = copied / "catalogue.safetensors"
    catalogue.write_bytes(catalogue.read_bytes()[:-1] + b"\xff")
    with pytest.raises(
        RecordError, match=r"catalogue.safetensors was damaged or changed.*run 'a2m2 index' again"
    ):
        open_library(copied)


# --- what changes ---


def test_a_moved_collection_and_a_moved_index_go_on(
    clips: Path, copied: Path, tmp_path: Path, described: list[str]
) -> None:
    moved, folder = tmp_path / "elsewhere" / "clips", tmp_path / "elsewhere" / "index"
    shutil.copytree(clips, moved)
    shutil.move(copied, folder)
    before = content(folder)
    assert open_library(folder).search([moved / "0.mp4"], cache=tmp_path).hits[0].names == ("0.mp4",)
    record = index(moved, folder)
    assert (record.described, record.kept, described) == (0, 8, [])
    assert content(folder) == before


def test_new_changed_removed_renamed_and_copied_clips(
    clips: Path, copied: Path, tmp_path: Path, described: list[str]
) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(clips, videos)
    write_clip(videos / "0.mp4", moving_square("down_right", 90))
    write_clip(videos / "new.mp4", moving_square("still", 91))
    (videos / "1.mp4").unlink()
    (videos / "2.mp4").rename(videos / "renamed.mp4")
    shutil.copy(videos / "renamed.mp4", videos / "copy.mp4")
    plan = plan_index(videos, copied, settings=SMALL, cache=tmp_path, progress=quiet)
    assert (plan.clips, plan.contents, plan.to_describe, plan.forgotten) == (9, 8, 2, 2)
    record = index(videos, copied)
    assert sorted(described) == ["0.mp4", "new.mp4"]
    assert (record.clips, record.contents, record.described, record.kept, record.forgotten) == (9, 8, 2, 6, 2)
    library = open_library(copied)
    names = sorted(name for row in library.catalogue.contents for name in library.catalogue.names_of(row))
    assert names == sorted(path.relative_to(videos).as_posix() for path in videos.rglob("*.mp4"))
    best = library.search([videos / "copy.mp4"], cache=tmp_path).hits[0]
    assert best.names == ("copy.mp4", "renamed.mp4")


def test_shards_that_no_clip_needs_are_removed(clips: Path, copied: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(clips / "more", videos)
    index(videos, copied)
    held = {digest for path in shard_files(copied) for digest in open_shard(path).digests}
    # 0.mp4, 1.mp4 and 2.mp4 came first, and fill the first shard alone.
    assert content_digest(clips / "0.mp4") not in held
    assert len(shard_files(copied)) == 2
    assert len(open_library(copied)) == 5


def test_broken_clips_are_listed_and_change_nothing_else(
    clips: Path, indexed: Path, tmp_path: Path, described: list[str]
) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(clips, videos)
    (videos / "0 broken.mp4").write_bytes(b"no video")
    (videos / "gone.mp4").symlink_to(videos / "nowhere.mp4")
    record = index(videos, tmp_path / "index")
    assert [clip.name for clip in record.broken] == ["0 broken.mp4", "gone.mp4"]
    assert "no such file" in record.broken[1].cause
    assert content(tmp_path / "index" / "shards") == content(indexed / "shards")
    described.clear()
    assert index(videos, tmp_path / "index").broken == record.broken
    assert described == ["0 broken.mp4"]


def test_a_clip_that_changes_while_it_is_read_is_left_out(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(clips, videos)
    read = describing_module.sample_clip

    def changed(path: Path, *others: object) -> object:
        sampled = read(path, *others)
        if path.name == "1.mp4":
            write_clip(path, moving_square("still", 92))
        return sampled

    monkeypatch.setattr(describing_module, "sample_clip", changed)
    record = index(videos, tmp_path / "index")
    (broken,) = record.broken
    assert (broken.name, broken.cause) == ("1.mp4", "it changed while it was read; index again")
    assert record.clips == 7
    monkeypatch.setattr(describing_module, "sample_clip", read)
    assert index(videos, tmp_path / "index").described == 1


# --- what is refused ---


def test_what_cannot_be_indexed_is_refused(clips: Path, copied: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no videos and no folders of frames"):
        index(tmp_path / "empty", tmp_path / "index")
    with pytest.raises(DataError, match=r"no folder or manifest .*; did you mean .*empty\?"):
        index(tmp_path / "empti", tmp_path / "index")
    with pytest.raises(OutputError, match=r"holds files but no library.safetensors"):
        index(clips, clips)
    with pytest.raises(ConfigError, match=r"4 frames of 48 pixels, but something else was asked for"):
        index(clips, copied, num_frames=8)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match="none of the 1 clips can be decoded"):
        index(tmp_path / "broken", tmp_path / "index")
    with pytest.raises(RecordError, match=r"empty is no index of clips"):
        open_library(tmp_path / "empty")
    with pytest.raises(DataError, match="expected an example to search for"):
        open_library(copied).search([], cache=tmp_path)


# --- the first pass ---


@pytest.fixture(scope="module")
def sketched(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with a first pass."""
    pytest.importorskip("usearch")
    folder = tmp_path_factory.mktemp("sketched") / "index"
    assert index(clips, folder, smallest=1).first_pass_bytes > 0
    return folder


def test_the_first_pass_names_the_best_by_relaxed_transport(
    sketched: Path, clips: Path, tmp_path: Path
) -> None:
    """Against a loop over the clips, on entries that were not rounded."""
    library = open_library(sketched)
    everything = library.contents.descriptors(library.catalogue.contents)
    example = everything[torch.tensor([3])]
    prior = library.matcher.order_prior
    assert library.first_pass is not None
    directions = library.first_pass.sketcher.directions
    units = torch.nn.functional.normalize(everything.values - everything.mean, dim=-1) @ directions
    progress = candidate_positions(everything, "progress")
    scores = []
    for other, position in zip(units, progress, strict=True):
        likeness = units[3] @ other.T - prior * (progress[3][:, None] - position[None]).abs()
        scores.append(min(likeness.amax(0).mean(), likeness.amax(1).mean()))
    expected = library.catalogue.contents[torch.stack(scores).argsort(descending=True)[:3]]
    found = library.candidates(example, 3)
    assert found.tolist() == expected.tolist()
    few, all_of_them = library.rank(example, candidates=3), library.rank(example, candidates=8)
    assert set(few[0]) == set(found)
    assert few[0][0] == all_of_them[0][0]
    record = library.search([clips / "2.mp4"], cache=tmp_path, candidates=3)
    assert (record.compared, record.contents, record.hits[0].names) == (3, 8, ("2.mp4",))


@pytest.mark.parametrize("prior", [0.0, 0.3])
def test_relaxed_scores_bound_the_exact_ones(prior: float) -> None:
    """All directions are kept here, so that only rounding to a byte is between the two."""
    clips = random_descriptors(9, seed=4, dim=12, dtype=torch.float32)
    sketcher = fit_sketcher(clips)
    assert sketcher.directions.shape == (12, 12)
    shown, sketches = clips[torch.tensor([0, 1])], sketcher.sketch(clips)
    relaxed = sketcher.relaxed_scores(shown, sketches, order_prior=prior)
    matcher = A2Matcher(weights="uniform", order_prior=prior, order_axis="progress", temperature=1.0)
    exact = pair_means(matcher, shown, clips)
    assert (relaxed >= exact - 0.02).all()
    assert np.corrcoef(relaxed, exact)[0, 1] > 0.9


def test_summaries_tell_the_order_of_what_happens() -> None:
    clips = random_descriptors(30, seed=5, dim=12, dtype=torch.float32)
    backwards = replace(clips, values=clips.values.flip(1))
    sketcher = fit_sketcher(concatenate([clips, backwards]))
    one, other = (sketcher.sketch(some).summaries.astype(float) for some in (clips, backwards))
    query = sketcher.summary(clips[torch.tensor([7])]).astype(float)
    np.testing.assert_array_equal(query, one[7])

    def cosines(some: np.ndarray) -> np.ndarray:
        return some @ query / np.linalg.norm(some, axis=1) / np.linalg.norm(query)

    assert cosines(one).argmax() == 7
    assert 0.1 < cosines(other)[7] < 0.9


def test_sketches_are_the_same_each_time_and_kept_while_nothing_changes(
    sketched: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(clips, tmp_path / "index", smallest=1, num_threads=3)
    assert content(tmp_path / "index") == content(sketched)
    monkeypatch.setattr("a2m2.library.indexing.write_first_pass", None)
    index(clips, tmp_path / "index", smallest=1)


@pytest.mark.parametrize("pattern", ["summaries-*", "directions-*", "sketches-*"])
def test_a_damaged_first_pass_is_refused_and_made_again(
    sketched: Path, clips: Path, tmp_path: Path, pattern: str
) -> None:
    folder = tmp_path / "copied" / "index"
    shutil.copytree(sketched.parent, folder.parent)
    (path,) = folder.glob(pattern)
    path.write_bytes(path.read_bytes()[:-1])
    assert not is_whole(path)
    with pytest.raises(RecordError, match=f"{path.name} is .*which makes it anew"):
        open_library(folder)
    index(clips, folder, smallest=1)
    assert content(folder) == content(sketched)


def test_a_damaged_sketch_is_refused_when_it_is_read(sketched: Path, clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copied" / "index"
    shutil.copytree(sketched.parent, folder.parent)
    (path,) = folder.glob("sketches-*")
    data = bytearray(path.read_bytes())
    data[11] ^= 1
    path.write_bytes(data)
    with pytest.raises(RecordError, match=f"{path.name} is damaged: a sketch is not what was written"):
        open_library(folder).search([clips / "2.mp4"], cache=tmp_path, candidates=3)


def test_a_large_collection_without_usearch_is_refused_before_any_work(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, described: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "usearch", None)
    with pytest.raises(ConfigError, match=r"needs usearch; run: pip install 'a2m2\[search\]'"):
        index(clips, tmp_path / "index", smallest=1)
    assert described == []
    assert not (tmp_path / "index").exists()
