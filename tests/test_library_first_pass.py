"""Files of a first pass whose checksums are right and whose content is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from a2m2.bench.fuzzing import models
from a2m2.errors import RecordError
from a2m2.library.catalogue import Catalogue, make_catalogue, read_catalogue, write_catalogue
from a2m2.library.checked_files import write_checked
from a2m2.library.first_pass import FirstPass, open_first_pass
from a2m2.weights import pack_tensors, read_tensors

Change = Callable[[dict[str, str], dict[str, Tensor]], object]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("usearch")
    folder = tmp_path_factory.mktemp("first")
    models.first_pass(folder)
    return folder


def opened(files: Path, folder: Path, **contents: bytes) -> FirstPass:
    """The first pass, some files' content replaced, every name right."""
    names = tuple(
        write_checked(folder, stem, suffix, contents.get(stem, (files / stem).read_bytes())).name
        for stem, suffix in models.FIRST_PASS.items()
    )
    return open_first_pass(folder, names, np.arange(models.NUM_CONTENTS))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda metadata, tensors: tensors.pop("mixture"), "'mixture' is missing"),
        (lambda metadata, tensors: metadata.pop("nodes"), "'nodes' is missing"),
        (lambda metadata, tensors: metadata.update(nodes="many"), "invalid literal for int"),
        (lambda metadata, tensors: tensors.update(mixture=tensors["mixture"][1:]), "a mixture of "),
        (lambda metadata, tensors: tensors.update(directions=torch.ones(3)), "a tensor of torch.float32 and"),
        (
            lambda metadata, tensors: tensors.update(directions=tensors["directions"].double()),
            "a tensor of torch.float64 and",
        ),
        (lambda metadata, tensors: tensors["mixture"].fill_(torch.nan), "mixture is not finite"),
    ],
)
def test_a_sketcher_that_cannot_be_is_refused(
    change: Change, reason: str, files: Path, tmp_path: Path
) -> None:
    metadata, tensors = read_tensors(files / "directions")
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    change(metadata, tensors)
    with pytest.raises(
        RecordError, match=rf"directions-.* cannot be used \({reason}.*run 'a2m2 index' again"
    ):
        opened(files, tmp_path, directions=pack_tensors(tensors, metadata))


@pytest.mark.parametrize("stem", ["summaries", "sketches"])
@pytest.mark.parametrize("content", [b"", b"x" * 1000])
def test_files_of_another_size_are_refused(stem: str, content: bytes, files: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=rf"{stem}-\w+\.bin is missing or of another size than directions-"):
        opened(files, tmp_path, **{stem: content})


def test_directions_of_other_descriptors_are_refused(files: Path, tmp_path: Path) -> None:
    metadata, tensors = read_tensors(files / "directions")
    content = pack_tensors({**tensors, "directions": tensors["directions"][:-1]}, metadata)
    first_pass = opened(files, tmp_path, directions=content)
    with pytest.raises(
        RecordError, match=r"directions-\w+\.safetensors is of descriptors of \d+ numbers, not of"
    ):
        first_pass.nearest(models.descriptors(2), 3, order_prior=0.1)


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
def test_a_catalogue_of_half_a_first_pass_or_of_nothing_is_refused(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    clips, digests = ({"clip.mp4": "ab" * 16}, ["ab" * 16]) if len(names) == 1 else ({}, [])
    made = make_catalogue(clips, [("shard", digests)])
    write_catalogue(tmp_path, Catalogue(made.shards, made.rows, made.names, names))
    with pytest.raises(RecordError, match=rf"cannot be used \(a first pass of {len(names)} files over"):
        read_catalogue(tmp_path)
