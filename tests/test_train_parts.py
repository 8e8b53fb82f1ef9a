"""Laws of the parts of training: draws, batches, rates, groups, modes, running means, losses."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from a2m2.data import load_dataset
from a2m2.networks import build_network
from a2m2.nn import load_backbone
from a2m2.settings import VideoSettings
from a2m2.structures import Descriptors
from a2m2.train.augment import augment
from a2m2.train.batches import BaseClasses, BatchLoader, ClipBatches, EpisodeBatches
from a2m2.train.classifier import BaseClassifier
from a2m2.train.clips import ClipSource, TimedFrames
from a2m2.train.draws import generator_of, seed_of
from a2m2.train.encode import encode_training, measure_mean
from a2m2.train.optimizer import make_optimizer, rate_factor
from a2m2.train.stages import MetaStage, PretrainStage, StageModule
from a2m2.train_settings import AugmentSettings, OptimizerSettings
from a2m2.video import resize_short
from tiny_backbones import save_tiny
from train_fixtures import shake, tiny_data, tiny_settings


def noise_clip(seed: int = 0, size: tuple[int, int] = (20, 26)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (5, 3, *size), generator=generator, dtype=torch.uint8)


def changed(frames: torch.Tensor, settings: AugmentSettings, seed: int = 0, crop: int = 12) -> torch.Tensor:
    return augment(frames, settings, crop=crop, generator=generator_of(seed))


# --- augment ---


EVERYTHING = AugmentSettings(crop_scales=(1.0, 0.7, 0.5), flip=True, permute_colours=True, jitter=0.4)


def test_all_frames_of_a_clip_change_alike() -> None:
    frame = noise_clip()[:1]
    for seed in range(12):
        out = changed(frame.expand(5, -1, -1, -1), EVERYTHING, seed)
        assert out.shape == (5, 3, 12, 12)
        assert out.dtype == torch.uint8
        assert (out == out[:1]).all()
        # Cutting time off leaves what is done to the other frames, as long as nothing looks at the whole clip.
        still = EVERYTHING.model_copy(update={"jitter": 0.0})
        clip = noise_clip(1)
        assert torch.equal(changed(clip, still, seed)[:3], changed(clip[:3], still, seed))


def test_nothing_is_mirrored_by_default() -> None:
    ramp = torch.arange(24, dtype=torch.uint8).expand(2, 3, 24, 24)
    for seed in range(30):
        out = changed(ramp, AugmentSettings(), seed).float()
        assert (out.diff(dim=-1) >= 0).all()
    mirrored = [
        bool((changed(ramp, AugmentSettings(flip=True), seed).float().diff(dim=-1) <= 0).all())
        for seed in range(40)
    ]
    assert 8 < sum(mirrored) < 32


def test_without_changes_the_clip_is_only_resized() -> None:
    plain = AugmentSettings(crop_scales=(1.0,))
    square = noise_clip(2, (24, 24))
    assert torch.equal(changed(square, plain), resize_short(square, 12))
    wide = noise_clip(2, (12, 30))
    starts = set()
    for seed in range(40):
        out = changed(wide, plain, seed)
        (start,) = [x for x in range(19) if torch.equal(out, wide[..., x : x + 12])]
        starts.add(start)
    assert {0, 18} <= starts
    assert len(starts) > 10


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (50, 3), (12, 12)])
def test_any_size_becomes_the_crop(size: tuple[int, int]) -> None:
    for seed in range(8):
        assert changed(noise_clip(3, size), EVERYTHING, seed).shape == (5, 3, 12, 12)


def test_switching_one_change_off_leaves_the_draws_of_the_others() -> None:
    clip = noise_clip(4)
    for seed in range(8):
        generators = [generator_of(seed) for _ in range(3)]
        for settings, generator in zip(
            (EVERYTHING, AugmentSettings(), AugmentSettings(flip=True)), generators, strict=True
        ):
            augment(clip, settings, crop=12, generator=generator)
        after = [torch.rand(1, generator=generator).item() for generator in generators]
        assert after[0] == after[1] == after[2]
        coloured = changed(clip, AugmentSettings(permute_colours=True), seed)
        plain = changed(clip, AugmentSettings(), seed)
        orders = [order for order in torch.cartesian_prod(*[torch.arange(3)] * 3) if len(order.unique()) == 3]
        assert any(torch.equal(coloured, plain[:, order]) for order in orders)


def test_jitter_changes_brightness_and_contrast_by_no_more_than_its_share() -> None:
    clip = noise_clip(5, (16, 16)) // 3 + 60
    settings = AugmentSettings(crop_scales=(1.0,), jitter=0.2)
    ratios = []
    for seed in range(30):
        out = changed(clip, settings, seed, crop=16).float()
        ratios.append(float(out.mean() / clip.float().mean()))
        spread = float(out.std() / clip.float().std()) / ratios[-1]
        assert 0.79 < spread < 1.21
    assert all(0.79 < ratio < 1.21 for ratio in ratios)
    assert max(ratios) - min(ratios) > 0.2


# --- batches ---


class CountingClips(ClipSource):
    """Clips made of their own number, so that a batch can be read back."""

    def __init__(self, number: int) -> None:
        super().__init__([], VideoSettings(num_frames=2, resize=8, crop=8))
        self.number = number

    def random(self, position: int, generator: torch.Generator) -> TimedFrames:
        torch.rand(1, generator=generator)
        return TimedFrames(torch.full((2, 3, 8, 8), position, dtype=torch.uint8), torch.arange(2.0))


def base_classes(labels: list[int], seed: int = 0) -> BaseClasses:
    names = [f"class {label}" for label in range(max(labels) + 1)]
    return BaseClasses(CountingClips(len(labels)), labels, names, AugmentSettings(), seed)


def members(batch: dict[str, torch.Tensor]) -> list[int]:
    return batch["frames"][:, 0, 0, 0, 0].tolist()


def test_every_clip_comes_once_an_epoch_in_another_order() -> None:
    labels = [0, 0, 1, 1, 2, 2, 2]
    batches = ClipBatches(base_classes(labels), 14, size=3)
    drawn = [member for index in range(14) for member in members(batches[index])]
    epochs = [drawn[start : start + 7] for start in range(0, 42, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6
    for index in range(14):
        assert batches[index]["label"].tolist() == [labels[member] for member in members(batches[index])]
        assert int(batches[index]["index"]) == index


def test_batches_are_functions_of_seed_and_number(tmp_path: Path) -> None:
    dataset = load_dataset(str(tiny_data(tmp_path / "data", {"train": ["right", "left"]})))
    clips = ClipSource(dataset.videos, VideoSettings(num_frames=4, resize=32, crop=32))

    def of(seed: int) -> tuple[ClipBatches, EpisodeBatches]:
        base = BaseClasses(clips, dataset.video_classes, dataset.classes, EVERYTHING, seed)
        return ClipBatches(base, 5, size=4), EpisodeBatches(base, 5, way=2, shot=1, query=1)

    for first, second, other in zip(of(1), of(1), of(2), strict=True):
        forward = [first[index]["frames"] for index in range(3)]
        backward = [second[index]["frames"] for index in (2, 1, 0)][::-1]
        assert all(torch.equal(x, y) for x, y in zip(forward, backward, strict=True))
        assert not torch.equal(other[0]["frames"], forward[0])
        assert not torch.equal(forward[0], forward[1])


def test_clips_in_memory_give_the_same_frames_as_files(tmp_path: Path) -> None:
    from a2m2.data import DigestCache
    from a2m2.data.store import FeatureStore

    dataset = load_dataset(str(tiny_data(tmp_path / "data", {"train": ["right"]})))
    settings = VideoSettings(num_frames=4, resize=32, crop=24)
    files, memory, again = (ClipSource(dataset.videos, settings) for _ in range(3))
    store = FeatureStore(tmp_path / "store")
    memory.keep(store, DigestCache(tmp_path))
    again.keep(store, DigestCache(tmp_path))
    assert store.hits == len(dataset)
    for position in range(len(dataset)):
        for source in (memory, again):
            assert torch.equal(source.centre(position), files.centre(position))
            drawn = [s.random(position, generator_of(position)) for s in (source, files)]
            assert torch.equal(drawn[0].frames, drawn[1].frames)
            torch.testing.assert_close(drawn[0].seconds, drawn[1].seconds)
    assert files.centre(0).shape == (4, 3, 24, 24)


def test_episodes_are_balanced_and_supports_come_first() -> None:
    labels = [0] * 3 + [1] * 3 + [2] * 40 + [3] * 4
    batches = EpisodeBatches(base_classes(labels), 400, way=2, shot=2, query=1)
    chosen: Counter[int] = Counter()
    for index in range(400):
        episode = batches.sampler.episode(index)
        chosen.update(episode.classes)
    assert all(abs(chosen[label] - 200) < 60 for label in range(4))
    for index in range(5):
        batch = batches[index]
        assert batch["way"].tolist() == [0, 0, 1, 1, 0, 1]
        assert len(set(members(batch))) == 6
        classes = batches.sampler.episode(index).classes
        assert batch["label"].tolist() == [classes[way] for way in batch["way"].tolist()]
        assert batch["label"].tolist() == [labels[member] for member in members(batch)]
        names = ", ".join(f"class {label}" for label in classes)
        assert batches.describe(index) == f"episode {index} of seed 0, classes {names}"


@pytest.mark.parametrize("done", [0, 1, 7, 9, 10])
def test_a_loader_goes_on_anywhere(done: int) -> None:
    batches = ClipBatches(base_classes([0, 0, 1, 1, 2]), 10, size=2)
    everything = [members(batch) for batch in BatchLoader(batches, num_workers=0)]
    loader = BatchLoader(batches, num_workers=0)
    loader.load_state_dict({"done": done})
    assert [members(batch) for batch in loader] == everything[done:]
    assert len(loader) == 10
    assert loader.state_dict() == {"done": done}


def test_draws_of_different_purposes_differ() -> None:
    keys = [
        (0, "clips", 1),
        (0, "clips", 11),
        (0, "episode", 1),
        (1, "clips", 1),
        (0, "clips", "1"),
        (0, "clips1"),
    ]
    assert len({seed_of(*key) for key in keys}) == len(keys)
    assert all(0 <= seed_of(*key) < 2**63 for key in keys)


# --- optimiser ---


def test_rates_follow_their_schedules() -> None:
    cosine = OptimizerSettings(schedule="cosine", warmup_steps=4)
    rates = [rate_factor(cosine, step, 24) for step in range(25)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == 1
    assert rates[14] == pytest.approx(0.5)
    assert rates[24] == pytest.approx(0)
    assert all(a >= b for a, b in itertools.pairwise(rates[4:]))
    for step in range(4, 24):
        assert rates[step] + rates[28 - step] == pytest.approx(1)
    stepped = OptimizerSettings(schedule="step", milestones=(0.5, 0.75))
    assert [rate_factor(stepped, step, 8) for step in range(8)] == pytest.approx(
        [1] * 4 + [0.1] * 2 + [0.01] * 2
    )
    constant = OptimizerSettings(schedule="constant", warmup_steps=2)
    assert [rate_factor(constant, step, 5) for step in range(5)] == [0.5, 1, 1, 1, 1]
    short = OptimizerSettings(schedule="cosine", warmup_steps=10)
    assert all(math.isfinite(rate_factor(short, step, 3)) for step in range(4))


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_every_parameter_is_in_one_group_and_vectors_do_not_decay(kind: str) -> None:
    settings = tiny_settings(
        "nowhere", "a2.learn_temperature=true", "a2.weights=gate", "backbone.difference=true"
    )
    network = build_network(settings.network())
    next(network.encoder.backbone.parameters()).requires_grad_(False)
    head = BaseClassifier(dim=36, num_frames=4, scales=network.encoder.scales, num_classes=3)
    optimizer = make_optimizer(
        OptimizerSettings(kind=kind, lr=0.1, new_layer_factor=3, weight_decay=0.5),
        backbone=network.encoder.backbone,
        new=[network.encoder.blocks, network.matcher, head],
    )
    grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
    trainable = [p for module in (network, head) for p in module.parameters() if p.requires_grad]
    assert sorted(grouped) == sorted(map(id, trainable))
    backbone = {id(p) for p in network.encoder.backbone.parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.5 if parameter.ndim > 1 else 0)
            assert group["lr"] == pytest.approx(0.1 if id(parameter) in backbone else 0.3)


# --- modes ---


def stage_of(kind: str, *overrides: str, backbone: str = "small-cnn") -> StageModule:
    """A stage module as a training makes it."""
    settings = tiny_settings("nowhere", f"backbone.source={backbone}", *overrides)
    live = kind == "pretrain" and not settings.pretrain.freeze_batch_norm
    network = build_network(settings.network(), train_batch_norm=live)
    torch.manual_seed(0)
    head = BaseClassifier(
        dim=sum(network.encoder.dims),
        num_frames=4,
        scales=network.encoder.scales,
        num_classes=3,
        dropout=settings.pretrain.dropout,
    )
    common = {"num_steps": 1, "describe": lambda index: f"batch {index}"}
    if kind == "pretrain":
        return PretrainStage(
            network, head, settings, settings.pretrain.optimizer, stage=settings.pretrain, **common
        )
    return MetaStage(
        network, None, settings, settings.meta.optimizer, stage=settings.meta, starts_fresh=True, **common
    )


def batch_of(size: int = 32, index: int = 0, clips: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(index)
    frames = torch.randint(0, 256, (clips, 4, 3, size, size), generator=generator, dtype=torch.uint8)
    ways = torch.arange(clips) % 2
    return {"index": torch.tensor(index), "frames": frames, "label": ways, "way": ways}


def statistics(module: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: b.clone() for name, b in module.named_buffers() if "running" in name or "num_batches" in name
    }


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("resnet", tmp_path_factory.mktemp("resnet")))


@pytest.mark.parametrize("kind", ["small-cnn", "resnet"])
def test_meta_training_moves_no_statistics(kind: str, resnet: str) -> None:
    module = stage_of("meta", backbone=resnet if kind == "resnet" else kind)
    before = statistics(module)
    module.train()
    module.set_modes()
    module.training_step(batch_of(), 0)
    assert before
    assert not moved(before, statistics(module))
    assert not any(part.training for part in module.network.modules())


@pytest.mark.parametrize("kind", ["small-cnn", "resnet"])
@pytest.mark.parametrize("freeze", [True, False])
def test_pretraining_freezes_the_backbone_s_statistics_where_asked(
    kind: str, freeze: bool, resnet: str
) -> None:
    source = resnet if kind == "resnet" else kind
    module = stage_of("pretrain", f"pretrain.freeze_batch_norm={str(freeze).lower()}", backbone=source)
    before = statistics(module)
    module.train()
    module.set_modes()
    module.training_step(batch_of(), 0)
    changed_ones = moved(before, statistics(module))
    assert any(name.startswith("network.encoder.blocks") for name in changed_ones)
    assert any(name.startswith("network.encoder.backbone") for name in changed_ones) != freeze


def test_frozen_statistics_of_a_pretrained_backbone_survive_train(resnet: str) -> None:
    frozen, live = (load_backbone(resnet, train_batch_norm=on).train() for on in (False, True))
    for backbone, expected in ((frozen, False), (live, True)):
        before = statistics(backbone)
        backbone(torch.rand(1, 2, 3, 32, 32))
        assert bool(moved(before, statistics(backbone))) == expected


def test_a_step_leaves_the_global_generator_alone_and_its_dropout_is_its_number_s() -> None:
    module = stage_of("pretrain", "pretrain.dropout=0.5")
    module.set_modes()
    state = torch.random.get_rng_state()
    losses = []
    for index in (3, 3, 4):
        torch.manual_seed(len(losses))
        before = torch.random.get_rng_state()
        batch = batch_of(index=0) | {"index": torch.tensor(index)}
        losses.append(module.training_step(batch, 0).item())
        assert torch.equal(torch.random.get_rng_state(), before)
    torch.random.set_rng_state(state)
    assert losses[2] != losses[0]


# --- encode_training ---


def network_of(*overrides: str):
    settings = tiny_settings("nowhere", *overrides)
    return shake(build_network(settings.network())).eval()


@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0])
def test_the_running_mean_follows_batches(rate: float) -> None:
    encoder = network_of("m2.stages=[mid, last]").encoder
    before = encoder.mean
    frames = batch_of()["frames"]
    with torch.no_grad():
        values = encoder(frames.float() / 255).values
        descriptors = encode_training(encoder, frames, mean_rate=rate)
    expected = (1 - rate) * before + rate * values.mean((0, 1))
    torch.testing.assert_close(encoder.mean, expected)
    assert torch.equal(descriptors.mean, encoder.mean)
    torch.testing.assert_close(descriptors.values, values)


def test_a_network_without_centring_keeps_none() -> None:
    encoder = network_of("m2.center=false").encoder
    assert encode_training(encoder, batch_of()["frames"], mean_rate=1.0).mean is None
    measure_mean(encoder, [batch_of()["frames"][0]])
    assert encoder.mean is None


def test_measured_mean_is_the_plain_mean_over_clips_and_candidates() -> None:
    encoder = network_of().encoder
    frames = batch_of()["frames"]
    measure_mean(encoder, iter(frames))
    with torch.no_grad():
        values = encoder(frames.float() / 255).values
    torch.testing.assert_close(encoder.mean, values.mean((0, 1)))


@pytest.mark.parametrize("source", ["small-cnn", "resnet"])
def test_saving_memory_changes_neither_loss_nor_gradients(source: str, resnet: str) -> None:
    results = []
    for save in ("false", "true"):
        module = stage_of(
            "meta",
            f"checkpoint_backbone={save}",
            "backbone.difference=true",
            backbone=resnet if source == "resnet" else source,
        )
        shake(module.network).double()
        module.set_modes()
        loss = module.training_step(batch_of(), 0)
        loss.backward()
        results.append(
            (loss.detach(), {n: p.grad for n, p in module.named_parameters() if p.grad is not None})
        )
    torch.testing.assert_close(results[0][0], results[1][0])
    assert results[0][1].keys() == results[1][1].keys()
    for name, gradient in results[0][1].items():
        torch.testing.assert_close(results[1][1][name], gradient)


# --- mixed precision ---


@pytest.mark.parametrize(
    ("kind", "override"),
    [
        ("pretrain", "method=a2m2_net"),
        ("meta", "a2.weights=cross_reference"),
        ("meta", "a2.weights=softmax"),
        ("meta", "a2.weights=gate"),
        ("meta", "method=protonet"),
        ("meta", "method=diagonal"),
        ("meta", "method=otam"),
        ("meta", "method=linear_probe"),
        ("meta", "method=trx"),
        ("meta", "method=hyrsm"),
    ],
)
def test_bf16_is_the_backbone_s_alone(kind: str, override: str) -> None:
    """Everything from the reduction's output on is float32: the loss equals that of the same descriptors outside."""
    module = stage_of(kind, override, "pretrain.dropout=0", "a2.learn_temperature=true")
    shake(module.network)
    module.set_modes()
    if kind == "pretrain":
        module.network.encoder.eval()
    batch = batch_of(index=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = module.training_step(batch, 0)
        mean = module.network.encoder.mean
        descriptors = module.network.encoder(batch["frames"].float() / 255)
    loss.backward()
    assert loss.dtype == descriptors.values.dtype == torch.float32
    outside = module.losses(descriptors, batch)[0]
    assert descriptors.mean is not None
    assert torch.equal(mean, module.network.encoder.mean)
    torch.testing.assert_close(loss, outside, rtol=1e-6, atol=1e-6)
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.dtype == torch.float32
            assert parameter.grad.isfinite().all(), name


# --- classifier ---


def descriptors_of(values: torch.Tensor, scale: list[int]) -> Descriptors:
    batch, node, _ = values.shape
    return Descriptors(
        values,
        torch.zeros(batch, node, 2),
        torch.tensor([[0, 1]] * node),
        torch.tensor(scale),
        torch.zeros(batch, 4),
    )


def test_the_classifier_is_its_formula_and_sees_order() -> None:
    from a2m2.moments import Scale

    torch.manual_seed(0)
    scales = (Scale(1, 1), Scale(2, 2))
    head = BaseClassifier(dim=5, num_frames=4, scales=scales, num_classes=3, feature_scale=2.0, dropout=0.0)
    values = torch.randn(2, 6, 5)
    got, none = head(descriptors_of(values, [0, 0, 0, 0, 1, 1]))
    assert none is None
    for clip in range(2):
        units = [2.0 * v / v.norm() for v in values[clip]]
        expected = head.order(torch.cat(units[4:]))
        expected = (
            expected
            + head.scales[0](torch.stack(units[:4]).mean(0))
            + head.scales[1](torch.stack(units[4:]).mean(0))
        )
        torch.testing.assert_close(got[clip], expected)
    coarse_swapped = values[:, [0, 1, 2, 3, 5, 4]]
    fine_swapped = values[:, [1, 0, 2, 3, 4, 5]]
    assert not torch.allclose(head(descriptors_of(coarse_swapped, [0, 0, 0, 0, 1, 1]))[0], got)
    torch.testing.assert_close(head(descriptors_of(fine_swapped, [0, 0, 0, 0, 1, 1]))[0], got)
