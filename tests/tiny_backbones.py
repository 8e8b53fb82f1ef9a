"""Tiny encoders with random weights, saved to folders as ``transformers`` saves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

_TRANSFORMER = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}

CONFIGS: dict[str, dict[str, Any]] = {
    "resnet": {
        "embedding_size": 8,
        "hidden_sizes": [8, 12, 16, 24],
        "depths": [1, 1, 2, 1],
        "layer_type": "bottleneck",
    },
    "mobilenet_v2": {"depth_multiplier": 0.25, "image_size": 64, "tf_padding": True},
    "clip_vision_model": {**_TRANSFORMER, "image_size": 32, "patch_size": 8},
    "dinov2": {
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 7,
    },
    "dinov2_with_registers": {
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 7,
    },
    "videomae": {
        **_TRANSFORMER,
        "image_size": 32,
        "patch_size": 8,
        "num_frames": 8,
        "decoder_hidden_size": 8,
        "decoder_num_hidden_layers": 1,
        "decoder_num_attention_heads": 2,
        "decoder_intermediate_size": 8,
    },
    "vjepa2": {
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "crop_size": 32,
        "patch_size": 8,
        "frames_per_clip": 8,
        "pred_hidden_size": 16,
        "pred_num_attention_heads": 2,
        "pred_num_hidden_layers": 1,
    },
    "siglip_vision_model": {**_TRANSFORMER, "image_size": 32, "patch_size": 8},
    "swin": {
        "image_size": 64,
        "embed_dim": 8,
        "depths": [1, 1, 1],
        "num_heads": [2, 2, 2],
        "window_size": 4,
    },
    "convnext": {"hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 1, 1]},
}


def tiny_model(model_type: str, **changes: Any) -> torch.nn.Module:
    """A tiny encoder with seeded weights."""
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    return AutoModel.from_config(AutoConfig.for_model(model_type, **(CONFIGS[model_type] | changes))).eval()


def save_tiny(model_type: str, folder: Path, **changes: Any) -> Path:
    """Save one, with the normalisation mean .5 and std .25, and return its folder."""
    tiny_model(model_type, **changes).save_pretrained(folder)
    processor = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder
