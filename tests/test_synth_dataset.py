"""Writing data sets: resumable, extensible, atomic, and the same whoever writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a2m2.errors import ConfigError, OutputError
from a2m2.synth import (
    VERSION,
    Generated,
    SynthConfig,
    dataset,
    definitions_digest,
    draw_classes,
    generate,
    plan,
)

SMALL = {
    "stratum": "sets",
    "seed": 1004,
    "size": 32,
    "num_frames": 8,
    "clips_per_class": 1,
    "splits": ("val",),
}


def small(**values: object) -> SynthConfig:
    return SynthConfig.build({**SMALL, **values})


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by its path below ``folder``, hidden ones included."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synth") / "set"
    assert generate(folder, small(), num_workers=1) == Generated(num_written=12, num_kept=0)
    return folder


def test_every_clip_has_its_truth_beside_it(made):
    classes = [c for c in draw_classes("sets", 1004) if c.split == "val"]
    names = {f"val/{c.name}/00000{suffix}" for c in classes for suffix in (".mp4", ".json")}
    assert set(contents(made)) == names | {"synth.json"}
    truth = json.loads((made / "val" / classes[0].name / "00000.json").read_text())
    spans = truth.pop("spans")
    assert truth == {
        "version": VERSION,
        "stratum": "sets",
        "class": classes[0].name,
        "index": 0,
        "seed": 1004,
        "timing": 1.0,
        "order": 0.0,
        "fps": 16.0,
        "num_frames": 8,
    }
    assert [span["name"] for span in spans] == list(classes[0].names)
    assert all(0.0 <= span["start_seconds"] < span["end_seconds"] <= 0.5 for span in spans)


def test_the_manifest_describes_the_set(made):
    manifest = json.loads((made / "synth.json").read_text())
    classes = draw_classes("sets", 1004)
    assert manifest["version"] == VERSION
    assert manifest["settings"] == small().model_dump(mode="json")
    assert manifest["settings_digest"] == small().digest()
    assert manifest["definitions_digest"] == definitions_digest(classes)
    assert manifest["classes"][0] == {
        "name": classes[0].name,
        "split": "train",
        "sub_actions": list(classes[0].names),
    }


def test_workers_make_the_same_bytes(made, tmp_path):
    assert generate(tmp_path, small(), num_workers=2).num_written == 12
    assert contents(tmp_path) == contents(made)


def test_a_second_run_keeps_what_is_complete_and_fills_what_is_not(made, tmp_path):
    calls: list[tuple[int, int]] = []
    generate(tmp_path, small(), num_workers=1)
    before = contents(tmp_path)
    victim, half = sorted(tmp_path.glob("val/*/00000.mp4"))[:2]
    victim.unlink()
    half.with_suffix(".json").unlink()
    report = generate(
        tmp_path, small(), num_workers=1, progress=lambda done, total: calls.append((done, total))
    )
    assert report == Generated(num_written=2, num_kept=10)
    assert calls == [(10, 12), (11, 12), (12, 12)]
    assert contents(tmp_path) == before == contents(made)


def test_a_set_can_be_extended_in_clips_and_splits(made, tmp_path):
    generate(tmp_path, small(), num_workers=1)
    assert generate(tmp_path, small(clips_per_class=2), num_workers=1) == Generated(12, 12)
    now = contents(tmp_path)
    assert all(now[name] == content for name, content in contents(made).items() if name != "synth.json")
    with pytest.raises(
        OutputError, match=r"holds 2 clips a class of val, asked for 1 clips a class of val; ask"
    ):
        generate(tmp_path, small(), num_workers=1)
    with pytest.raises(
        OutputError, match=r"holds 2 clips a class of val, asked for 2 clips a class of test; ask"
    ):
        generate(tmp_path, small(clips_per_class=2, splits=("test",)), num_workers=1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"timing": 0.5}, r"was written with timing 1\.0, asked for 0\.5; choose a new folder"),
        ({"seed": 1005}, r"was written with seed 1004, asked for 1005; choose a new folder"),
        ({"stratum": "sequences"}, r"was written with stratum sets, asked for sequences"),
    ],
)
def test_other_settings_are_refused_before_anything_is_written(made, changed, message):
    before = contents(made)
    with pytest.raises(OutputError, match=message):
        generate(made, small(**changed), num_workers=1)
    assert contents(made) == before


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "holiday.mp4").write_bytes(b"")
    with pytest.raises(
        OutputError, match=r"is not empty and holds no synth\.json; choose an empty or new folder"
    ):
        generate(tmp_path, small())


def test_a_run_that_was_killed_before_it_wrote_its_manifest_is_no_foreign_folder(tmp_path):
    (tmp_path / ".tmp-half.json").write_bytes(b"half")
    assert generate(tmp_path, small(), num_workers=1) == Generated(12, 0)


def test_a_damaged_manifest_is_named(tmp_path):
    (tmp_path / "synth.json").write_text('{"version"')
    with pytest.raises(OutputError, match=r"synth\.json is damaged; delete"):
        generate(tmp_path, small())


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(
        OutputError, match=r"cannot write into .*file: .*; choose a folder that you may write to"
    ):
        generate(tmp_path / "file", small())


def test_interrupted_it_leaves_nothing_half_written_and_goes_on(made, tmp_path, monkeypatch):
    written = 0

    def interrupted(path: Path, *args: object, **kwargs: object) -> None:
        nonlocal written
        if written == 5:
            raise KeyboardInterrupt
        written += 1
        write(path, *args, **kwargs)

    write = dataset.write_clip
    monkeypatch.setattr(dataset, "write_clip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, small(), num_workers=1)
    assert set(contents(tmp_path).items()) <= set(contents(made).items())
    monkeypatch.setattr(dataset, "write_clip", write)
    assert generate(tmp_path, small(), num_workers=1) == Generated(num_written=7, num_kept=5)
    assert contents(tmp_path) == contents(made)


def test_plan_says_what_would_be_written_and_writes_nothing(tmp_path):
    text = plan(small(splits=("train", "test")), tmp_path / "new")
    assert text == (
        f"synth-v1, sets, timing 1, order 0, seed 1004\n"
        f"88 classes (64 train, 24 test), 1 clips each, into {tmp_path / 'new'}\n"
        f"32×32 px, 8 frames, 0.5 s a clip"
    )
    assert not (tmp_path / "new").exists()


def test_wrong_settings_are_named():
    with pytest.raises(
        ConfigError, match=r"splits: expected some of train, val and test, each once \(got \(\)\)"
    ):
        small(splits=())
    with pytest.raises(ConfigError, match=r"size: input should be a multiple of 2 .*got 33"):
        small(size=33)
    with pytest.raises(ValueError, match="expected num_workers >= 1, got 0"):
        generate("unused", small(), num_workers=0)
