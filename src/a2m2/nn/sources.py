"""Where a backbone's weights come from: a local folder, a model hub, or a seeded generator.

Folders have the format of ``transformers``: ``config.json``, ``model.safetensors`` (or shards with an index)
and, for the input normalisation, ``preprocessor_config.json``. Pickled weights are refused, since opening
them can run code. ``transformers`` is imported when first needed, because that takes seconds.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from a2m2.errors import WeightsError
from a2m2.nn.config_claims import check_config
from a2m2.reading import mapping_of, parse_json, read_text, shorten, why

CONFIG = "config.json"
CHOICES = (
    "a folder with config.json and model.safetensors, a hub name such as microsoft/resnet-50, "
    "random:resnet50, small-cnn, or motion-filters"
)


@dataclass(frozen=True)
class Normalisation:
    """What a backbone expects of its pixels: ``(gain · frame − mean) / std`` for frames in [0, 1]."""

    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    gain: float = 1.0


IMAGENET = Normalisation()
SYMMETRIC = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = Normalisation((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))

RANDOM_MODELS: dict[str, tuple[str, dict[str, Any], Normalisation]] = {
    "resnet50": ("resnet", {}, IMAGENET),
    "resnet18": (
        "resnet",
        {"depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512], "layer_type": "basic"},
        IMAGENET,
    ),
    "mobilenet_v2": ("mobilenet_v2", {}, SYMMETRIC),
    "clip-vit-b16": (
        "clip_vision_model",
        {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "patch_size": 16,
        },
        CLIP,
    ),
    "videomae-b": ("videomae", {}, IMAGENET),
    "dinov2-s": (
        "dinov2",
        {"hidden_size": 384, "num_attention_heads": 6, "image_size": 518, "patch_size": 14},
        IMAGENET,
    ),
}
"""What ``random:NAME`` builds: model type, settings that differ from its defaults, normalisation."""

_FEW = 1 << 24
"""Numbers of a model that its weights need not hold: parts that feature maps never pass through."""
_UNUSED_PARTS = re.compile(r"(^|\.)(pooler|head|predictor|classifier|visual_projection)\b")


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A ``transformers`` encoder in evaluation mode, and what it expects of its pixels."""

    model: nn.Module
    normalisation: Normalisation


def load_model(source: str, *, random_seed: int) -> LoadedModel:
    """Open a folder, a hub name (``owner/name`` or ``owner/name@revision``) or ``random:NAME``.

    Raises:
        WeightsError: nothing usable there; the message says what was expected.
    """
    if source.startswith("random:"):
        return _random_model(source.removeprefix("random:"), random_seed)
    folder = Path(source).expanduser()
    if not folder.exists():
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?", source):
            raise WeightsError(f"no backbone {source}; expected {CHOICES}")
        folder = _download(source)
    return _local_model(folder)


def model_from_config(model_type: str, config: dict[str, Any], normalisation: dict[str, Any]) -> LoadedModel:
    """An encoder of this configuration; its weights are whatever they are, and meant to be replaced."""
    with _quiet_transformers(), torch.random.fork_rng(devices=[]):
        from transformers import AutoConfig, AutoModel

        settings = {key: value for key, value in config.items() if key != "model_type"}
        model = AutoModel.from_config(AutoConfig.for_model(model_type, **settings))
    mean, std = tuple(normalisation["mean"]), tuple(normalisation["std"])
    return LoadedModel(model.eval(), Normalisation(mean, std, normalisation["gain"]))


def _random_model(name: str, seed: int) -> LoadedModel:
    if name not in RANDOM_MODELS:
        raise WeightsError(f"no random backbone {name!r}; expected one of {', '.join(RANDOM_MODELS)}")
    model_type, settings, normalisation = RANDOM_MODELS[name]
    with _quiet_transformers(), torch.random.fork_rng(devices=[]):
        from transformers import AutoConfig, AutoModel

        torch.manual_seed(seed)
        model = AutoModel.from_config(AutoConfig.for_model(model_type, **settings))
        _settle_batch_norms(model)
    return LoadedModel(model.eval(), normalisation)


def _settle_batch_norms(model: nn.Module) -> None:
    """Take running statistics from one pass over noise.

    With those that a fresh layer has (0 and 1), the features of a random MobileNetV2 vanish with depth and those
    of a ResNet grow.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn(8, 3, 64, 64))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _download(source: str) -> Path:
    """Local copy of a hub repository's configuration and safetensors; from the cache where it is there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    name, _, revision = source.partition("@")
    wanted = ["*config.json", "model.safetensors", "model-*.safetensors", "model.safetensors.index.json"]
    try:
        with _quiet_transformers():
            return Path(snapshot_download(name, revision=revision or None, allow_patterns=wanted))
    except LocalEntryNotFoundError:
        raise WeightsError(
            f"no folder {source} here, and the model hub cannot be reached; give the path of a folder, "
            "or connect to the network once so that the weights are cached"
        ) from None
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise WeightsError(f"no folder {source} here, and the model hub says: {_first_line(error)}") from None


def _local_model(folder: Path) -> LoadedModel:
    weights = _check_folder(folder)
    num_held = _check_config(folder / CONFIG, weights)
    try:
        with _quiet_transformers():
            from transformers import AutoConfig, AutoModel

            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            # Of an image-text model only the vision tower is built and read.
            config = getattr(config, "vision_config", config)
            with torch.device("meta"):
                claimed = AutoModel.from_config(config, trust_remote_code=False)
            num_claimed = sum(parameter.numel() for parameter in claimed.parameters())
            if num_claimed > 2 * num_held + _FEW:
                raise ValueError(f"a model of {num_claimed:,} numbers, but weights of {num_held:,}")
            model, report = AutoModel.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:  # the models raise anything for a configuration that they cannot take
        raise WeightsError(
            f"cannot load the backbone in {folder}: {shorten(_first_line(error))}; {CONFIG} and {weights.name} must "
            "be of one model that this version of transformers knows"
        ) from None
    _settle_missing(model, sorted(report["missing_keys"]), weights)
    return LoadedModel(model.eval(), _normalisation(folder))


def _check_folder(folder: Path) -> Path:
    """The file of the weights, or of their index."""
    if not folder.is_dir():
        raise WeightsError(f"expected a backbone folder, got the file {folder}; give the folder it lies in")
    if not (folder / CONFIG).is_file():
        raise WeightsError(f"{folder} holds no config.json; expected a folder in the format of transformers")
    if (folder / "model.safetensors").is_file():
        return folder / "model.safetensors"
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        absent = sorted(name for name in _shards(index) if not (folder / name).is_file())
        if absent:
            raise WeightsError(
                f"{folder} lacks {absent[0]}, one of the weight files that {index.name} names; download it again"
            )
        return index
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in {".bin", ".pt", ".pth", ".ckpt"})
    if pickles:
        raise WeightsError(
            f"{folder} holds pickled weights only ({pickles[0]}), which can run code when opened; "
            "convert them to model.safetensors"
        )
    raise WeightsError(f"{folder} holds no weights; expected model.safetensors beside config.json")


def _is_name(name: Any) -> bool:
    """Whether it can be the name of a file."""
    return (
        isinstance(name, str)
        and Path(name).name == name
        and "\0" not in name
        and len(os.fsencode(name)) < 256
    )


def _shards(index: Path) -> set[str]:
    try:
        content = parse_json(read_text(index, error=WeightsError, cure="download it again"))
        names = set(content["weight_map"].values())
        if not names or not all(map(_is_name, names)):
            raise ValueError("a file elsewhere")
        return names
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WeightsError(f"{index} cannot be read as an index of weight files; download it again") from None


def _check_config(path: Path, weights: Path) -> int:
    """Refuse a configuration that cannot be read, or claims more layers than there are tensors; numbers in these."""
    files = (
        [weights]
        if weights.suffix == ".safetensors"
        else [weights.parent / name for name in _shards(weights)]
    )
    sizes = [size for file in files for size in _sizes(file)]
    num_tensors = len(sizes)
    try:
        config = mapping_of(parse_json(read_text(path, error=WeightsError, cure="download it again")))
        check_config(config, num_tensors)
        if isinstance(vision := config.get("vision_config"), dict):
            check_config(vision, num_tensors)
    except ValueError as error:
        raise WeightsError(f"{path} cannot be used ({why(error)}); download it again") from None
    return sum(sizes)


def _sizes(path: Path) -> list[int]:
    """How many numbers each tensor of a file holds."""
    try:
        with safe_open(path, framework="pt") as file:
            return [math.prod(file.get_slice(name).get_shape()) for name in file.keys()]  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as weights ({why(error)}); download it again") from None


def _settle_missing(model: nn.Module, missing: list[str], weights: Path) -> None:
    """Refuse weights with holes; parts that feature maps never pass through become zero, not random."""
    holes = [name for name in missing if not _UNUSED_PARTS.search(name)]
    if holes:
        raise WeightsError(
            f"{weights} does not fit the {CONFIG} beside it: {len(holes)} tensors are missing, "
            f"such as {shorten(holes[0])}; take both files from one source"
        )
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in missing:
            if name in parameters:
                parameters[name].zero_()


def _normalisation(folder: Path) -> Normalisation:
    """From the image processor's file where there is one, else ImageNet's."""
    for name in ("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        try:
            content = parse_json(read_text(path, error=WeightsError, cure="download it again"))
            content = content.get("image_processor") or content.get("video_processor") or content
            return _read_normalisation(content)
        except (ValueError, TypeError, AttributeError):
            raise WeightsError(
                f"{path} cannot be read; expected image_mean and image_std of 3 numbers"
            ) from None
    return IMAGENET


def _read_normalisation(content: dict[str, Any]) -> Normalisation:
    gain = 255 * float(content.get("rescale_factor", 1 / 255))
    if not content.get("do_normalize", True):
        return Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), gain)
    mean = tuple(float(value) for value in content.get("image_mean") or IMAGENET.mean)
    std = tuple(float(value) for value in content.get("image_std") or IMAGENET.std)
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0 or not all(map(math.isfinite, (gain, *mean, *std))):
        raise ValueError(f"mean {mean}, std {std}")
    return Normalisation(mean, std, gain)


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No loading reports and no progress bars inside; the caller's settings come back afterwards."""
    from huggingface_hub import utils as hub
    from transformers.utils import logging

    verbosity, bar, hub_bar = (
        logging.get_verbosity(),
        logging.is_progress_bar_enabled(),
        hub.are_progress_bars_disabled(),
    )
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    hub.disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
        if not hub_bar:
            hub.enable_progress_bars()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
