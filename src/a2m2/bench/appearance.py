"""What a single frame of a synthetic clip says about its class: it should be next to nothing.

    python -m a2m2.bench.appearance --stratum sets --timing 0 [--backbone FOLDER] [--json FILE]

(a) A small CNN is trained from nothing on single frames of the 64 train classes and tested on other clips of
the same classes, overall and at each of the 8 segment centres. The epoch with the best accuracy on validation
clips counts. Bounds: 1.5 times chance overall, 2 times at every index. So that a result at chance means
something, the same network, trained alike on the same frames, has to count the objects to be seen (positive
control), and its accuracy on its own training frames after the last epoch is reported (it memorises).
``--tell-time`` gives the network the index of the frame too, which is more than a frame says.

(b) With ``--backbone`` (a ``transformers`` folder): 5-way 5-shot nearest centroid of the mean feature of one
middle frame, on the 24 test classes. Bound: 28 % (chance 20).

Frames are used as rendered: a video encoder can only take information away.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional

from a2m2.bench.options import add_seed, measurement_parser
from a2m2.synth import ClassDefinition, SynthClip, SynthConfig, draw_classes, make_clip

NUM_SEGMENTS = 8
BOUND_OVERALL, BOUND_AT_INDEX, BOUND_BACKBONE = 1.5, 2.0, 28.0
_INPUT_SIZE = 48


@dataclass(frozen=True, eq=False)
class Frames:
    """Single frames with what is asked about them.

    Attributes:
        pixels: uint8 frames of 48 px, clip by clip, ``NUM_SEGMENTS`` a clip.
        label: class of each frame.
        num_visible: number of objects to be seen in each frame.
    """

    pixels: UInt8[Tensor, "frame 3 48 48"]
    label: Int[Tensor, "frame"]
    num_visible: Int[Tensor, "frame"]


@dataclass(frozen=True)
class Answer:
    """How well one question about a single frame was answered.

    Attributes:
        chance: accuracy of the best constant answer, in per cent, as are all accuracies.
        memorised: accuracy of the last epoch's network on frames that it was trained on.
        accuracy: on test frames, of the network of the best validation epoch.
        std_error: of ``accuracy``, with clips (not frames) taken as independent.
        by_index: accuracy at each segment centre.
        std_error_by_index: their standard errors.
        num_test_frames: test frames in all.
        first_loss, last_loss: mean training loss of the first and the last epoch.
    """

    chance: float
    memorised: float
    accuracy: float
    std_error: float
    by_index: tuple[float, ...]
    std_error_by_index: tuple[float, ...]
    num_test_frames: int
    first_loss: float
    last_loss: float


def segment_centres(num_frames: int) -> Int[np.ndarray, "segment"]:
    """Index of the frame in the middle of each of ``NUM_SEGMENTS`` equal segments."""
    return ((np.arange(NUM_SEGMENTS) + 0.5) * num_frames / NUM_SEGMENTS).astype(np.int64)


def render_frames(config: SynthConfig, classes: list[ClassDefinition], clips: range) -> Frames:
    """The segment centres of the given clips of every class."""
    wanted = segment_centres(config.num_frames)
    pixels, label, num_visible = [], [], []
    for class_index, definition in enumerate(classes):
        rendered = []
        for index in clips:
            clip = make_clip(config, definition, index)
            assert isinstance(clip, SynthClip)  # the style is plain
            rendered.append(clip.frames(wanted))
            scene = clip.scene
            seen = (
                (scene.radius * config.size > 1.0)
                & (np.abs(scene.x - 0.5) < 0.5)
                & (np.abs(scene.y - 0.5) < 0.5)
            )
            num_visible.append(seen[wanted].sum(axis=1))
        stack = torch.from_numpy(np.concatenate(rendered)).float()
        small = functional.interpolate(stack, size=(_INPUT_SIZE, _INPUT_SIZE), mode="area")
        pixels.append(small.round().to(torch.uint8))
        label.append(torch.full((len(stack),), class_index))
    return Frames(torch.cat(pixels), torch.cat(label), torch.from_numpy(np.concatenate(num_visible)))


def build_probe(num_classes: int, *, channels: int = 3) -> nn.Module:
    """Four 3×3 convolutions, a 3×3 grid of pooled features, one linear layer."""

    def block(channels_in: int, channels_out: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(channels_out), nn.ReLU()]

    layers = [*block(channels, 24, 2), *block(24, 48, 2), *block(48, 64, 1), *block(64, 96, 2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(96 * 9, num_classes))


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained probe.

    Attributes:
        model: the network of the epoch with the best validation accuracy.
        losses: mean training loss of each epoch.
        memorised: accuracy of the last epoch's network on (at most 5,000 of) its training frames, a share.
    """

    model: nn.Module
    losses: tuple[float, ...]
    memorised: float


def train_probe(
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    *,
    num_classes: int,
    epochs: int,
    tell_time: bool,
    seed: int,
) -> Trained:
    """Train on ``(pixels, answers)``, frames clip by clip."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_probe(num_classes, channels=4 if tell_time else 3)
    batch = 128
    steps = epochs * math.ceil(len(train[1]) / batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses: list[float] = []
    best_accuracy, best_state = -1.0, {}
    for _ in range(epochs):
        model.train()
        total = 0.0
        for members in torch.randperm(len(train[1]), generator=generator).split(batch):
            pixels = _recolour(_as_input(train[0][members]), generator)
            pixels = _with_time(pixels, members) if tell_time else pixels
            loss = functional.cross_entropy(model(pixels), train[1][members])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(members)
        losses.append(total / len(train[1]))
        accuracy = is_correct(model, *validation).mean().item()
        if accuracy > best_accuracy:
            best_accuracy, best_state = accuracy, {k: v.clone() for k, v in model.state_dict().items()}
    whole_clips = NUM_SEGMENTS * max(1, len(train[1]) // 5000)
    sample = (torch.arange(len(train[1])) % whole_clips) < NUM_SEGMENTS
    memorised = is_correct(model, train[0][sample], train[1][sample]).mean().item()
    model.load_state_dict(best_state)
    return Trained(model, tuple(losses), memorised)


@torch.no_grad()
def is_correct(model: nn.Module, pixels: Tensor, answers: Tensor) -> Float[Tensor, "frame"]:
    """1 for every frame that the network answers rightly, 0 for the others; frames clip by clip."""
    model.eval()
    tell_time = next(model.parameters()).shape[1] == 4
    guesses = []
    for members in torch.arange(len(pixels)).split(1024):
        part = _as_input(pixels[members])
        guesses.append(model(_with_time(part, members) if tell_time else part).argmax(dim=1))
    return (torch.cat(guesses) == answers).float()


def _with_time(
    pixels: Float[Tensor, "frame 3 48 48"], members: Int[Tensor, "frame"]
) -> Float[Tensor, "frame 4 48 48"]:
    """Append a channel that holds each frame's place among its clip's segment centres, from −1 to 1."""
    place = (members % NUM_SEGMENTS) * (2.0 / (NUM_SEGMENTS - 1)) - 1.0
    return torch.cat([pixels, place.reshape(-1, 1, 1, 1).expand(-1, 1, *pixels.shape[2:])], dim=1)


def _as_input(pixels: UInt8[Tensor, "frame 3 48 48"]) -> Float[Tensor, "frame 3 48 48"]:
    return pixels.float() / 127.5 - 1.0


def _recolour(
    pixels: Float[Tensor, "frame 3 48 48"], generator: torch.Generator
) -> Float[Tensor, "frame 3 48 48"]:
    """Permute and invert colour channels at random; else the probe soon knows clips by their colours."""
    turn = torch.rand(len(pixels), 3, generator=generator).argsort(dim=1)
    sign = 2.0 * torch.randint(0, 2, (len(pixels), 3, 1, 1), generator=generator) - 1.0
    return sign * pixels[torch.arange(len(pixels))[:, None], turn]


def ask(
    sets: Sequence[Frames],
    question: Literal["label", "num_visible"],
    *,
    epochs: int,
    tell_time: bool = False,
    seed: int = 0,
) -> Answer:
    """Train the probe on one question about the frames ``(train, validation, test)`` and test it."""
    train, validation, test = ((frames.pixels, getattr(frames, question)) for frames in sets)
    num_classes = 1 + max(int(answers.max()) for _, answers in (train, validation, test))
    trained = train_probe(
        train, validation, num_classes=num_classes, epochs=epochs, tell_time=tell_time, seed=seed
    )
    correct = 100.0 * is_correct(trained.model, *test).reshape(-1, NUM_SEGMENTS)
    root = math.sqrt(len(correct))
    return Answer(
        chance=100.0 * torch.bincount(test[1]).max().item() / len(test[1]),
        memorised=100.0 * trained.memorised,
        accuracy=correct.mean().item(),
        std_error=correct.mean(dim=1).std().item() / root,
        by_index=tuple(correct.mean(dim=0).tolist()),
        std_error_by_index=tuple((correct.std(dim=0) / root).tolist()),
        num_test_frames=correct.numel(),
        first_loss=trained.losses[0],
        last_loss=trained.losses[-1],
    )


def probe_cnn(
    config: SynthConfig, *, num_train: int, num_test: int, epochs: int, tell_time: bool = False
) -> dict[str, Answer]:
    """Part (a): the class, and as positive control the number of objects, from a single frame.

    Args:
        config: the data set; its train classes are used.
        num_train, num_test: clips of each class; a tenth of ``num_train`` more are for validation.
        epochs: passes over the training frames; a quarter of them for the control.
        tell_time: also give the probe the index of the frame.
    """
    classes = [c for c in draw_classes(config.stratum, config.seed) if c.split == "train"]
    num_validation = max(2, num_train // 10)
    bounds = np.cumsum([0, num_train, num_validation, num_test]).tolist()
    sets = [render_frames(config, classes, range(a, b)) for a, b in itertools.pairwise(bounds)]
    return {
        "class": ask(sets, "label", epochs=epochs, tell_time=tell_time),
        "number of objects": ask(sets, "num_visible", epochs=max(2, epochs // 4)),
    }


def probe_backbone(
    config: SynthConfig, folder: Path, *, num_clips: int = 40, episodes: int = 2000, seed: int = 0
) -> dict[str, float]:
    """Part (b): accuracy in per cent of nearest centroids on one middle frame, test classes, 5-way 5-shot.

    Features are means over the last map, scaled to unit length. One query a class and episode.
    """
    classes = [c for c in draw_classes(config.stratum, config.seed) if c.split == "test"]
    middle = np.array([config.num_frames // 2])
    frames = [make_clip(config, c, i).frames(middle) for c in classes for i in range(num_clips)]
    features = functional.normalize(_mean_features(folder, torch.from_numpy(np.concatenate(frames))), dim=1)
    table = features.reshape(len(classes), num_clips, -1)
    generator = np.random.default_rng(seed)
    accuracies = []
    for _ in range(episodes):
        ways = generator.permutation(len(classes))[:5]
        clips = np.stack([generator.permutation(num_clips)[:6] for _ in ways])
        chosen = table[torch.from_numpy(ways)[:, None], torch.from_numpy(clips)]
        distance = torch.cdist(chosen[:, 5], chosen[:, :5].mean(dim=1))
        accuracies.append((distance.argmin(dim=1) == torch.arange(5)).float().mean().item())
    values = 100.0 * np.array(accuracies)
    return {
        "accuracy": float(values.mean()),
        "interval": float(1.96 * values.std() / math.sqrt(episodes)),
        "episodes": episodes,
        "clips_per_class": num_clips,
    }


@torch.no_grad()
def _mean_features(folder: Path, frames: UInt8[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame dim"]:
    from transformers import AutoModel  # heavy; only this part needs it

    settings = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    mean = torch.tensor(settings["image_mean"]).reshape(3, 1, 1)
    std = torch.tensor(settings["image_std"]).reshape(3, 1, 1)
    model = AutoModel.from_pretrained(folder).eval()
    features = []
    for part in frames.split(32):
        picture = functional.interpolate(
            part.float() / 255.0, size=(224, 224), mode="bilinear", align_corners=False
        )
        features.append(model(pixel_values=(picture - mean) / std).last_hidden_state.mean(dim=(2, 3)))
    return torch.cat(features)


def main(arguments: list[str] | None = None) -> int:
    """Parse, measure, print, and write the JSON file."""
    parser = measurement_parser("appearance", (__doc__ or "").partition("\n")[0])
    parser.add_argument("--stratum", choices=("sets", "sequences"), required=True)
    parser.add_argument("--timing", type=float, default=0.0, help="timing knob; 0 is the hardest case")
    parser.add_argument("--order", type=float, default=0.0, help="order knob, sets only")
    add_seed(parser, "the data set", default=1)
    parser.add_argument("--clips", type=int, default=100, help="training clips a class")
    parser.add_argument(
        "--test-clips", type=int, default=80, help="test clips a class; 80 give 5,120 frames an index"
    )
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--tell-time", action="store_true", help="give the CNN the index of the frame too")
    parser.add_argument(
        "--backbone", type=Path, help="transformers folder of a convolutional network for part (b)"
    )
    options = parser.parse_args(arguments)

    config = SynthConfig.build(
        {"stratum": options.stratum, "timing": options.timing, "order": options.order, "seed": options.seed}
    )
    begin = time.perf_counter()
    answers = probe_cnn(
        config,
        num_train=options.clips,
        num_test=options.test_clips,
        epochs=options.epochs,
        tell_time=options.tell_time,
    )
    figures: dict[str, object] = {
        "config": config.model_dump(mode="json"),
        "train_clips_per_class": options.clips,
        "epochs": options.epochs,
        "tell_time": options.tell_time,
        "cnn": {question: asdict(answer) for question, answer in answers.items()},
        "bounds": {"overall": BOUND_OVERALL, "at_index": BOUND_AT_INDEX, "backbone": BOUND_BACKBONE},
    }
    _print_answers(answers)
    if options.backbone is not None:
        backbone = probe_backbone(config, options.backbone)
        figures["backbone"] = backbone
        print(
            f"backbone, one frame, 5-way 5-shot: {backbone['accuracy']:.1f} ± {backbone['interval']:.1f} %"
            f" (bound {BOUND_BACKBONE:.0f})"
        )
    print(f"{time.perf_counter() - begin:.0f} s")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def _print_answers(answers: dict[str, Answer]) -> None:
    for question, answer in answers.items():
        print(
            f"{question}: {answer.accuracy:.2f} ± {1.96 * answer.std_error:.2f} % on "
            f"{answer.num_test_frames} frames, chance {answer.chance:.2f} "
            f"({answer.accuracy / answer.chance:.2f} times); last epoch on training frames "
            f"{answer.memorised:.2f} %, loss {answer.first_loss:.3f} to {answer.last_loss:.3f}"
        )
        print(
            "  by frame, times chance: "
            + " ".join(f"{value / answer.chance:.2f}" for value in answer.by_index)
        )
    print(f"bounds for class: {BOUND_OVERALL} times chance overall, {BOUND_AT_INDEX} at every frame")


if __name__ == "__main__":
    sys.exit(main())
