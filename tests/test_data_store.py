"""The feature store: what goes in comes out, and nothing damaged, foreign or half-written ever does."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import threading
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import safetensors.torch
import torch

from a2m2.data import FeatureStore, mapped
from a2m2.errors import OutputError

DIGEST = "0123456789abcdef0123456789abcdef"


def features(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "map": torch.rand(2, 3, 4, generator=generator).half(),
        "values": torch.rand(14, 20, generator=generator),
        "duration_seconds": torch.tensor(2.5, dtype=torch.float64),
        "windows": torch.arange(6).reshape(3, 2),
        "flags": torch.tensor([True, False]),
        "nothing": torch.empty(0, 3),
        "brain": torch.rand(5, generator=generator).bfloat16(),
    }


def assert_same(a: dict[str, torch.Tensor] | None, b: dict[str, torch.Tensor]) -> None:
    assert a is not None
    assert a.keys() == b.keys()
    for name in b:
        assert a[name].dtype == b[name].dtype
        assert torch.equal(a[name], b[name])


def test_round_trip_keeps_names_dtypes_and_shapes(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    assert not store.contains("maps", "k1", DIGEST)
    assert store.get("maps", "k1", DIGEST) is None
    store.put("maps", "k1", DIGEST, features())
    assert store.contains("maps", "k1", DIGEST)
    assert_same(store.get("maps", "k1", DIGEST), features())
    assert (store.hits, store.misses, store.writes) == (1, 1, 1)
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()] == [
        f"maps/k1/01/{DIGEST}.safetensors"
    ]


def test_kind_key_and_video_all_count(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.put("maps", "k1", DIGEST, features())
    for place in (("values", "k1", DIGEST), ("maps", "k2", DIGEST), ("maps", "k1", DIGEST[::-1])):
        assert store.get(*place) is None
        assert not store.contains(*place)


def test_views_and_tensors_with_gradients_are_stored(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    base = torch.rand(4, 6, requires_grad=True)
    store.put("v", "k", DIGEST, {"a": base.T[1:, ::2], "b": base[0]})
    assert_same(store.get("v", "k", DIGEST), {"a": base.detach().T[1:, ::2], "b": base.detach()[0]})


def test_every_damage_counts_as_missing_and_is_mended(tmp_path: Path) -> None:
    """Each byte in turn is flipped, and the file is cut at each length: no such file is ever read."""
    store = FeatureStore(tmp_path)
    tensors = {"a": torch.arange(5, dtype=torch.float32), "b": torch.ones(2, dtype=torch.float16)}
    store.put("v", "k", DIGEST, tensors)
    path = next(tmp_path.rglob("*.safetensors"))
    good = path.read_bytes()
    damaged = [good[:i] + bytes([good[i] ^ 0x20]) + good[i + 1 :] for i in range(len(good))]
    damaged += [good[:i] for i in range(0, len(good), 7)] + [good + b"\0", bytes(len(good))]
    for content in damaged:
        path.write_bytes(content)
        found = store.get("v", "k", DIGEST)
        # A flipped blank of the header's padding is the only harmless damage.
        if found is not None:
            assert_same(found, tensors)
        else:
            assert not path.exists()
    path.write_bytes(good[: len(good) // 2])
    assert not store.contains("v", "k", DIGEST)
    store.put("v", "k", DIGEST, tensors)
    assert_same(store.get("v", "k", DIGEST), tensors)


def test_a_changed_shape_is_damage(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.put("v", "k", DIGEST, {"x": torch.arange(6.0).reshape(2, 3)})
    path = next(tmp_path.rglob("*.safetensors"))
    path.write_bytes(path.read_bytes().replace(b"[2,3]", b"[3,2]"))
    assert safetensors.torch.load_file(path)["x"].shape == (3, 2)
    assert store.get("v", "k", DIGEST) is None


def test_files_of_another_make_count_as_missing(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.put("v", "k", DIGEST, features())
    path = next(tmp_path.rglob("*.safetensors"))
    for foreign in ({"values": torch.ones(3)}, {"values": torch.ones(3), "crc32": torch.ones(2)}):
        safetensors.torch.save_file(foreign, path)
        assert store.get("v", "k", DIGEST) is None


def test_load_many_stacks_in_the_order_asked_for(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    names = [f"{i:032x}" for i in range(5)]
    for i, name in enumerate(names):
        store.put("v", "k", name, features(i))
    order = [3, 0, 4, 3]
    stack = store.load_many("v", "k", [names[i] for i in order])
    assert stack.missing == ()
    for name, tensor in stack.tensors.items():
        assert torch.equal(tensor, torch.stack([features(i)[name] for i in order]))
        assert tensor.dtype == features()[name].dtype
    assert store.load_many("v", "k", []).tensors == {}


def test_load_many_names_all_that_is_missing_and_gives_no_half_filled_rows(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    names = [f"{i:032x}" for i in range(5)]
    for i in (0, 1, 3):
        store.put("v", "k", names[i], features(i))
    next(tmp_path.rglob(f"{names[1]}.safetensors")).write_bytes(b"half")
    stack = store.load_many("v", "k", names)
    assert stack.missing == (1, 2, 4)
    assert stack.tensors == {}


def test_load_many_refuses_videos_of_different_make(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.put("v", "k", "aa", {"x": torch.ones(2)})
    for other in ({"x": torch.ones(3)}, {"x": torch.ones(2).half()}, {"y": torch.ones(2)}):
        store.put("v", "k", "bb", other)
        with pytest.raises(
            ValueError,
            match=r"^expected \{'x': \(torch\.float32, torch\.Size\(\[2\]\)\)\} in v/k, got .* for bb$",
        ):
            store.load_many("v", "k", ["aa", "bb"])


@pytest.mark.parametrize("piece", ["", "..", "a/b", "/etc", "a b", ".hidden"])
def test_names_that_would_leave_the_store(tmp_path: Path, piece: str) -> None:
    store = FeatureStore(tmp_path)
    for place in ((piece, "k", DIGEST), ("v", piece, DIGEST), ("v", "k", piece)):
        with pytest.raises(
            ValueError, match=r"^expected a kind, key or digest of letters, digits and ._-, got "
        ):
            store.get(*place)


def test_the_checksum_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^expected tensor names other than 'crc32', which the store uses itself$"
    ):
        FeatureStore(tmp_path).put("v", "k", DIGEST, {"crc32": torch.ones(1)})


def test_the_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("A2M2_CACHE", str(tmp_path))
    assert FeatureStore().root == tmp_path / "features"
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    store = FeatureStore(tmp_path)
    with pytest.raises(
        OutputError, match=rf"^cannot write .*{DIGEST}\.safetensors: the disk is full; free some space"
    ):
        store.put("v", "k", DIGEST, features())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert store.writes == 0


def test_the_file_size_limit_leaves_nothing_behind(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(
            OutputError, match=r"aa\.safetensors: the file is larger than the limit set for files"
        ):
            FeatureStore(tmp_path).put("v", "k", "aa", {"x": torch.ones(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "v" / "k" / "aa" / "aa.safetensors"
    path.mkdir(parents=True)
    with pytest.raises(
        OutputError, match=r"^cannot read the stored features .*: is a directory; set A2M2_CACHE to"
    ):
        FeatureStore(tmp_path).get("v", "k", "aa")


NAMES = [f"{i:032x}" for i in range(4)]


def _write(root: Path, rounds: int) -> None:
    store = FeatureStore(root)
    for _ in range(rounds):
        for i, name in enumerate(NAMES):
            store.put("v", "k", name, {"x": torch.full((2000,), float(i))})


def _read_beside(root: Path, writers: Sequence[threading.Thread | BaseProcess]) -> None:
    """Read while others write the same videos again and again: a reader sees all of a file or nothing."""
    for writer in writers:
        writer.start()
    store = FeatureStore(root)
    while any(writer.is_alive() for writer in writers):
        for i, name in enumerate(NAMES):
            tensors = store.get("v", "k", name)
            assert tensors is None or torch.equal(tensors["x"], torch.full((2000,), float(i)))
    assert len(os.listdir(root / "v" / "k" / "00")) == 4
    assert store.load_many("v", "k", NAMES).missing == ()


def test_threads_share_one_store(tmp_path: Path) -> None:
    _read_beside(tmp_path, [threading.Thread(target=_write, args=(tmp_path, 25)) for _ in range(2)])


@pytest.mark.slow
def test_processes_share_one_store(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, 100)) for _ in range(2)]
    _read_beside(tmp_path, writers)
    assert [writer.exitcode for writer in writers] == [0, 0]


def test_large_stacks_are_mapped_from_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FeatureStore(tmp_path)
    names = ["aa", "bb", "cc"]
    for number, name in enumerate(names):
        store.put("v", "k", name, {"x": torch.full((3, 5), float(number)), "n": torch.tensor(number)})
    expected = store.load_many("v", "k", names).tensors
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(mapped, "LEAST_BYTES", 100)
    asked: list[int] = []
    set_aside = os.posix_fallocate

    def noted(descriptor: int, start: int, size: int) -> None:
        asked.append(size)
        set_aside(descriptor, start, size)

    monkeypatch.setattr(os, "posix_fallocate", noted)
    found = store.load_many("v", "k", names).tensors
    assert asked == [3 * 3 * 5 * 4]
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_mapped_tensors_hold_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "LEAST_BYTES", 1)
    tensor = mapped.empty(tmp_path, (4, 6), torch.float32)
    tensor.copy_(torch.arange(24.0).view(4, 6))
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(tensor[torch.tensor([3, 0])], torch.arange(24.0).view(4, 6)[[3, 0]])
    assert mapped.empty(tmp_path, (0, 6), torch.float32).shape == (0, 6)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert mapped.empty(tmp_path, (4, 6), torch.float16).shape == (4, 6)
