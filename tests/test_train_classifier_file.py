"""Files of a classifier of base classes that are damaged, or are of another one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a2m2.bench.fuzzing import models
from a2m2.errors import ConfigError, WeightsError
from a2m2.train.classifier import load_classifier
from a2m2.weights import write_tensors


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "head.safetensors"


def test_weights_come_back(path: Path) -> None:
    tensors = {
        name: torch.full_like(tensor, 0.5) for name, tensor in models.classifier().state_dict().items()
    }
    write_tensors(path, tensors)
    classifier = models.classifier()
    load_classifier(classifier, path)
    assert all(bool((tensor == 0.5).all()) for tensor in classifier.state_dict().values())


def test_a_damaged_file_is_refused(path: Path) -> None:
    path.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=r"head\.safetensors cannot be read as weights"):
        load_classifier(models.classifier(), path)


def test_weights_that_are_not_finite_are_refused(path: Path) -> None:
    tensors = models.classifier().state_dict()
    write_tensors(path, tensors | {"order.bias": torch.tensor([0.0, torch.nan, 0.0])})
    with pytest.raises(WeightsError, match=r"head\.safetensors cannot be used \(order\.bias is not finite"):
        load_classifier(models.classifier(), path)


def test_weights_of_another_type_or_shape_are_refused(path: Path) -> None:
    tensors = models.classifier().state_dict()
    for other in (torch.zeros(3, dtype=torch.int64), torch.zeros(4)):
        write_tensors(path, tensors | {"order.bias": other})
        with pytest.raises(ConfigError, match=r"head\.safetensors is the classifier of other classes"):
            load_classifier(models.classifier(), path)
