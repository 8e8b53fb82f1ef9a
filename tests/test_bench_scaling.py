"""Plans of large runs follow from one clip's figures by counting."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2m2.bench.scaling import Assumed, Measured, collection_table, training_table
from a2m2.config import load
from a2m2.train_settings import TrainSettings

HERE = Measured(
    digest=1.0,
    decode=36.0,
    describe=36.0,
    take_in=0.36,
    shard_bytes=1e4,
    driver_bytes=500.0,
    match=80.0,
)
ASSUMED = Assumed(
    clips=1_000_000,
    clip_bytes=1e5,
    sketch_bytes=1e3,
    cores=10,
    task=0.008,
    core_hour=0.5,
    gpu_hour=2.0,
    terabyte_month=20.0,
    gpus=4,
    link=1e11,
    disk=1e9,
)


def test_a_collection_is_so_many_clips() -> None:
    rows = {str(row[0]): row for row in collection_table(HERE, ASSUMED).rows}
    assert rows["decode: workers"][2:] == (pytest.approx(10.0), pytest.approx(1.0))
    assert rows["hand out tasks: driver"][1] == pytest.approx(1.0)
    assert rows["take in and write: driver"][2:] == (pytest.approx(0.1), pytest.approx(0.1))
    note = collection_table(HERE, ASSUMED).note
    assert "20 core hours, 10 at 0.5 each" in note
    assert "10 GB of shards (10000 bytes a clip) and 1 GB of first pass" in note


def test_a_training_shares_its_steps() -> None:
    settings = load(TrainSettings, Path("ssv2-full"), ["backbone.source=random:resnet50"], data="lists")
    table = training_table(settings, HERE, ASSUMED)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["clips a step"] for row in rows] == [16, 240]
    assert rows[1]["match ms"] == pytest.approx(8 * 80.0 / 4)
    one = training_table(settings, HERE, Assumed(**{**vars(ASSUMED), "gpus": 1}))
    alone = [dict(zip(one.columns, row, strict=True)) for row in one.rows]
    for row, single in zip(rows, alone, strict=True):
        assert row["compute ms"] == pytest.approx(float(single["compute ms"] or 0) / 4)
        assert row["validation h"] == single["validation h"]
        assert single["send ms"] == 0
