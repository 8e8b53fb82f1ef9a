"""The same numbers on a GPU as on the CPU, within stated tolerances. Its CPU rows keep the code of these tests alive.

Run where there is a GPU: python -m pytest -m gpu tests/test_gpu.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from a2m2.config import load
from a2m2.data import EpisodeSampler, load_dataset
from a2m2.data.store import FeatureStore
from a2m2.devices import encoding, find_device, stacked, to_host, whole_float32
from a2m2.errors import ConfigError
from a2m2.eval.evaluate import evaluate
from a2m2.eval.gpu_scores import DeviceScores, scores_on
from a2m2.eval.pair_table import pair_scores
from a2m2.eval.runner import Contestant, run_episodes
from a2m2.eval.sources import FixedSource
from a2m2.eval.trained import describe_clips, describe_videos, is_described
from a2m2.library import IndexSettings, index_collection, open_library
from a2m2.matching import A2Matcher, OTAMMatcher, ProtoNetMatcher
from a2m2.networks import build_network
from a2m2.recognize import Recognizer
from a2m2.recognize.origin import Origin
from a2m2.recognize.sources import open_source
from a2m2.settings import EvaluateSettings
from a2m2.spotting import SpotSettings, spot
from a2m2.structures import Clip, Descriptors
from a2m2.train.batches import Batch
from a2m2.train.classifier import build_classifier
from a2m2.train.stages import StageModule, build_stage
from a2m2.train.train import train
from a2m2.train_records import read_metrics
from a2m2.train_settings import Stage
from a2m2.video import prepare, write_clip
from a2m2.weights import SavedNetwork, load_network, save_network
from matching_fixtures import random_descriptors
from recognize_fixtures import small, squares
from tiny_backbones import save_tiny
from tiny_clips import moving_square
from train_fixtures import shake, tiny_data, tiny_settings

GPU = pytest.param(
    "cuda",
    marks=(
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    ),
)
DEVICES = pytest.mark.parametrize("device", ["cpu", GPU])
STAGES = pytest.mark.parametrize("stage", ["pretrain", "meta"])
SINGLE = 1e-3
"""Of the largest entry: float32 sums in another order, in gradients of descriptors near their mean."""
BF16 = 0.1
"""Of the largest entry: the backbone and the reduction keep eight bits of each number."""


@pytest.fixture(autouse=True)
def _whole_float32() -> Iterator[None]:
    """Convolutions of trainings too: torch would round their factors to ten bits on a GPU."""
    with whole_float32():
        yield


def stage_on(device: str, stage: Stage, *overrides: str) -> tuple[StageModule, Batch]:
    """A stage away from its start, and a batch of noise, there."""
    settings = tiny_settings("nowhere", "pretrain.dropout=0.0", *overrides)
    network = shake(build_network(settings.network(), seed=3))
    torch.manual_seed(5)
    head = build_classifier(settings, network.encoder, num_classes=3) if stage == "pretrain" else None
    module = build_stage(settings, stage, network, head, num_steps=1, describe=str, starts_fresh=False)
    module.to(device)
    module.set_modes()
    generator = torch.Generator().manual_seed(7)
    ways = torch.tensor([0, 1, 0, 1])
    frames = torch.randint(0, 256, (len(ways), 4, 3, 32, 32), generator=generator, dtype=torch.uint8)
    batch = {"index": torch.tensor(1), "frames": frames, "label": ways, "way": ways}
    return module, {name: tensor.to(device) for name, tensor in batch.items()}


def step(module: StageModule, batch: Batch) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of one training step, and the statistics after it."""
    loss = module.training_step(batch, 0)
    loss.backward()  # type: ignore[no-untyped-call]
    found = {name: p.grad.cpu() for name, p in module.named_parameters() if p.grad is not None}
    found |= {name: buffer.cpu() for name, buffer in module.named_buffers()}
    return float(loss.detach()), found


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], *, share: float) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        scale = float(tensor.abs().max()) if tensor.is_floating_point() else 0.0
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=share * scale + 1e-6, msg=name)


@DEVICES
@STAGES
def test_a_training_step(device: str, stage: Stage) -> None:
    """Loss, every gradient, running means and batch-norm statistics."""
    loss, found = step(*stage_on(device, stage))
    expected_loss, expected = step(*stage_on("cpu", stage))
    assert loss == pytest.approx(expected_loss, rel=SINGLE)
    assert_close(found, expected, share=SINGLE)


@DEVICES
def test_mixed_precision_stays_near_single(device: str) -> None:
    """Descriptors are float32 whatever the backbone is computed in, and near those of float32."""
    module, batch = stage_on(device, "meta")
    pixels = batch["frames"].float() / 255
    with torch.inference_mode():
        single = module.network.encode(pixels)
        with torch.autocast(device, dtype=torch.bfloat16):
            mixed = module.network.encode(pixels)
    assert mixed.values.dtype == single.values.dtype == torch.float32
    assert_close({"values": mixed.values.cpu()}, {"values": single.values.cpu()}, share=BF16)
    assert not torch.equal(mixed.values, single.values)


@DEVICES
def test_what_evaluation_and_enrolment_compute(device: str) -> None:
    """Descriptors of clips, scores of queries against supports, and the answers."""
    scores = {}
    for place in ("cpu", device):
        module, batch = stage_on(place, "meta")
        network = module.network.eval()
        with torch.inference_mode():
            seen = network.encode(batch["frames"].float() / 255)
            answer = network.match(seen[:2], batch["way"][:2], seen[2:], num_classes=2).logits
        scores[place] = {"values": seen.values.cpu(), "logits": answer.float().cpu()}
    assert_close(scores[device], scores["cpu"], share=SINGLE)
    assert torch.equal(scores[device]["logits"].argmax(1), scores["cpu"]["logits"].argmax(1))


@DEVICES
@STAGES
def test_a_training_from_settings_to_weights(device: str, stage: Stage, tmp_path: Path) -> None:
    """Away from the start, where another order of sums on the CPU alone moves biases by a share of 0.03."""
    settings = tiny_settings(tiny_data(tmp_path / "data"), "pretrain.steps=2", "meta.steps=2")
    start = tmp_path / "start.safetensors"
    save_network(
        start, shake(build_network(settings.network(), seed=3)), settings.network(), {"stage": stage}
    )
    for name, accelerator in (("here", "cpu"), ("there", "gpu" if device == "cuda" else "cpu")):
        train(
            settings, stage, tmp_path / name, start=start, cache=tmp_path / "cache", accelerator=accelerator
        )
    here, there = (load_network(tmp_path / name).network.state_dict() for name in ("here", "there"))
    assert_close(there, here, share=SINGLE)
    pairs = zip(read_metrics(tmp_path / "there"), read_metrics(tmp_path / "here"), strict=True)
    assert all(
        one.values["loss"] == pytest.approx(other.values["loss"], rel=1e-2)
        for one, other in pairs
        if "loss" in one.values
    )


# --- from clips to answers ---


def clips_of(number: int) -> list[Clip]:
    """Four frames each of squares that move."""
    names = ("right", "left", "down", "up")
    return [
        Clip(
            torch.from_numpy(moving_square(names[seed % 4], seed)[::4]),
            torch.arange(4, dtype=torch.float64) / 4,
            torch.arange(0, 16, 4),
            1.0,
        )
        for seed in range(number)
    ]


def saved_network(folder: Path, *overrides: str) -> Path:
    """A network away from its start."""
    settings = tiny_settings("nowhere", *overrides).network()
    save_network(folder / "weights.safetensors", shake(build_network(settings, seed=3)), settings, {})
    return folder


def network_on(device: str, folder: Path) -> SavedNetwork:
    saved = load_network(folder)
    saved.network.encoder.to(device)
    return saved


@DEVICES
def test_small_parts(device: str) -> None:
    """Frames go there in one piece, and results come back."""
    place = find_device(device)
    tensors = [torch.rand(3, 5) for _ in range(4)]
    waiting = stacked(tensors, place)
    assert waiting.is_pinned() == (device == "cuda")
    there = waiting.to(place, non_blocking=True)
    back, twice = to_host(there, (2 * there).mT)
    assert back.is_cpu
    assert twice.is_cpu
    assert torch.equal(back, torch.stack(tensors))
    assert torch.equal(twice, 2 * torch.stack(tensors).mT)


@DEVICES
@pytest.mark.parametrize("overrides", [(), ("backbone.difference=true",), ("m2.order=third",)], ids=str)
def test_descriptors_of_clips(device: str, overrides: tuple[str, ...], tmp_path: Path) -> None:
    """Several at a time and more than go there at once; on the host they are whole."""
    folder = saved_network(tmp_path, *overrides)
    clips = clips_of(9)
    expected = describe_clips(load_network(folder), clips)
    found = describe_clips(network_on(device, folder), clips)
    for name in ("values", "spans", "energy", "mean"):
        assert getattr(found, name).is_cpu
    assert_close(
        {"values": found.values, "energy": found.energy, "spans": found.spans},
        {"values": expected.values, "energy": expected.energy, "spans": expected.spans},
        share=SINGLE,
    )
    assert found.mean is not None
    assert expected.mean is not None
    assert torch.equal(found.mean, expected.mean)


@DEVICES
def test_what_is_kept_is_kept_apart(device: str, tmp_path: Path) -> None:
    """A GPU's descriptors never stand in for the CPU's."""
    folder, data = saved_network(tmp_path / "network"), tiny_data(tmp_path / "data")
    videos = load_dataset(str(data)).select(["train"]).videos
    digests = [f"{position:02d}" for position in range(len(videos))]
    store = FeatureStore(tmp_path / "features")
    here, there = load_network(folder), network_on(device, folder)
    expected, _ = describe_videos(here, videos, digests, store)
    assert is_described(there, digests[0], store) == (device == "cpu")
    found, seconds = describe_videos(there, videos, digests, store)
    assert seconds.shape == (len(videos), 4)
    assert_close({"values": found.values}, {"values": expected.values}, share=SINGLE)
    again, _ = describe_videos(there, videos, digests, store)
    assert torch.equal(again.values, found.values)


MATCHERS = {
    "default": {},
    "uniform": {"weights": "uniform"},
    "softmax": {"weights": "softmax"},
    "energy": {"weights": "energy"},
    "gate": {"weights": "gate", "dim": 12},
    "progress": {"order_prior": 0.4, "order_axis": "progress"},
    "tolerance": {"tolerance": 1e-3},
}


def classed_descriptors(blocks: tuple[int, ...] = ()) -> Descriptors:
    """96 videos of six classes."""
    noise = random_descriptors(96, seed=0, dtype=torch.float32, blocks=blocks)
    signal = random_descriptors(6, seed=1, dtype=torch.float32).values.repeat_interleave(16, dim=0)
    return replace(noise, values=signal + 0.7 * noise.values)


def device_scores(device: str, matcher: A2Matcher, descriptors: Descriptors) -> DeviceScores:
    there = scores_on(find_device(device), matcher, FixedSource(descriptors), {})
    assert (there is None) == (device == "cpu")
    return DeviceScores(matcher, descriptors) if there is None else there


@DEVICES
@pytest.mark.parametrize("option", MATCHERS)
@pytest.mark.parametrize("blocks", [(), (4, 8)], ids=str)
def test_scores_of_pairs(device: str, option: str, blocks: tuple[int, ...]) -> None:
    """Every rule of weights and order; also of more pairs than one block holds."""
    torch.manual_seed(0)
    matcher = A2Matcher(num_threads=1, **MATCHERS[option]).eval()  # type: ignore[arg-type]
    if matcher.gate is not None:
        torch.nn.init.normal_(matcher.gate.linear.weight)
    descriptors = classed_descriptors(blocks)
    there = device_scores(device, matcher, descriptors)
    table = pair_scores(matcher, descriptors, num_threads=3, there=there)
    np.testing.assert_allclose(table, pair_scores(matcher, descriptors), rtol=0, atol=12.5 * 2e-5)


@DEVICES
@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("shot", [1, 3])
def test_records_of_episodes(device: str, share: bool, shot: int) -> None:
    """From the same descriptors the same records to the last answer, ties among them: the CPU settles those."""
    descriptors = classed_descriptors()
    values = descriptors.values.clone()
    values[20] = values[3]
    source = FixedSource(replace(descriptors, values=values))
    sampler = EpisodeSampler(
        [index // 16 for index in range(96)],
        class_names=[f"class{index}" for index in range(6)],
        way=5,
        shot=shot,
        query=3,
        seed=4,
    )
    contestants = [
        Contestant("a2", source, A2Matcher(num_threads=1).eval()),
        Contestant("ordered", source, A2Matcher(num_threads=1, order_prior=0.3).eval()),
        Contestant("union", source, A2Matcher(num_threads=1, shots="union").eval()),
        Contestant("otam", source, OTAMMatcher().eval()),
        Contestant("proto", source, ProtoNetMatcher().eval()),
    ]
    here = list(run_episodes(contestants, sampler.episode, 120, share=False))
    there = run_episodes(
        contestants, sampler.episode, 120, share=share, num_threads=4, device=find_device(device)
    )
    assert [record.to_line() for record in there] == [record.to_line() for record in here]


@DEVICES
@pytest.mark.parametrize("seen_with", ["network", "shipped", "motion-filters", "resnet", "dinov2"])
def test_an_evaluation(device: str, seen_with: str, tmp_path: Path) -> None:
    """From clips to accuracies: at least 39 of 40 answers are the same, and mostly all of them."""
    splits = {"train": ["right", "left"], "val": ["still"], "test": ["down", "up", "down_right"]}
    data = tiny_data(tmp_path / "data", splits, clips_per_class=4)
    changes = ["protocol.way=2", "protocol.episodes=40", "protocol.query=2", "split=[test]"]
    if seen_with == "network":
        changes += [f"weights=[{saved_network(tmp_path / 'network')}]"]
    elif seen_with == "shipped":
        changes += ["weights=[motion-small]", "methods=[a2m2_net,otam]"]
    else:
        source = seen_with
        if seen_with != "motion-filters":
            source = str(save_tiny(seen_with, tmp_path / seen_with))
        size = 28 if seen_with == "dinov2" else 32
        changes += [f"backbone.source={source}", "m2.components=6", "video.num_frames=4"]
        changes += [f"video.resize={size}", f"video.crop={size}", "methods=[a2m2_net,protonet]"]
    settings = load(EvaluateSettings, None, changes, data=str(data))
    runs = [
        evaluate(settings, cache=tmp_path / "cache", device=place)  # type: ignore[arg-type]
        for place in ("cpu", device)
    ]
    assert runs[0].run == runs[1].run
    for name, figures in runs[0].summary.methods.items():
        assert runs[1].summary.methods[name].accuracy == pytest.approx(figures.accuracy, abs=0.025)


@DEVICES
@pytest.mark.parametrize("seen_with", ["motion-filters", "weights"])
def test_enrolment(device: str, seen_with: str, tmp_path: Path) -> None:
    """The same answers and, to a hundredth, probabilities; the file is read anywhere."""
    source = {} if seen_with == "motion-filters" else {"backbone": None, "weights": "motion-small"}
    clips, labels = squares(seeds=range(4))
    asked, _ = squares(seeds=range(10, 13))
    found = {}
    for place in ("cpu", device):
        recognizer = small(tmp_path / "cache", device=place, **source).fit(clips, labels)
        recognizer.save(tmp_path / f"{place}.a2m2")
        moved = Recognizer.load(tmp_path / f"{place}.a2m2", device="cpu")
        assert moved.predict(asked).tolist() == recognizer.predict(asked).tolist()
        back = Recognizer.load(tmp_path / f"{place}.a2m2", device=device)  # type: ignore[arg-type]
        back.add([asked[0]], labels[0], refit=False)
        found[place] = (
            recognizer.predict(asked).tolist(),
            recognizer.predict_proba(asked),
            recognizer.report_.accuracy,
            recognizer.explain(asked[0]).recognition.label,
        )
    assert found[device][0] == found["cpu"][0]
    np.testing.assert_allclose(found[device][1], found["cpu"][1], rtol=0, atol=0.01)
    assert found[device][2:] == found["cpu"][2:]


@DEVICES
@pytest.mark.parametrize("seen_with", ["network", "resnet"])
def test_frames_that_clips_share(device: str, seen_with: str, tmp_path: Path) -> None:
    """Seen one by one and described together, as a recording is searched, they give what their clips give."""
    if seen_with == "network":
        origin = Origin("weights", str(saved_network(tmp_path / "network")))
    else:
        origin = Origin("backbone", str(save_tiny("resnet", tmp_path / "resnet")))
    clips = clips_of(3)
    source = open_source(origin, num_frames=4, size=32, store=FeatureStore(tmp_path / "features"))
    for position, clip in enumerate(clips):
        source.keep(str(position), clip)
    encoder, expected = next(source.encoders(["0", "1", "2"]))
    encoder.to(find_device(device))
    assert encoder.device.type == device
    seen = [
        [encoder.see(frame[None]) for frame in prepare(clip.frames, resize=32, crop=32)] for clip in clips
    ]
    parts = zip(*([torch.cat(part) for part in zip(*one, strict=True)] for one in seen), strict=True)
    shared = encoder.describe_seen(
        tuple(torch.stack(part) for part in parts),
        torch.stack([clip.pts_seconds for clip in clips]),
        torch.tensor([clip.duration_seconds for clip in clips], dtype=torch.float64),
    )
    for found in (shared, encoder.describe(clips)):
        assert found.values.is_cpu
        # Maps that are kept in half precision may be rounded the other way.
        assert_close({"values": found.values}, {"values": expected.values}, share=10 * SINGLE)


@DEVICES
def test_spotting(device: str, tmp_path: Path) -> None:
    """The same stretches of a recording."""
    clips, labels = squares(("down", "left"))
    small(tmp_path / "cache", device="cpu").fit(clips, labels).save(tmp_path / "actions.a2m2")
    shown = [moving_square(name, 3) for name in ("still", "left", "still", "down", "still")]
    write_clip(tmp_path / "long.mp4", np.concatenate(shown), fps=25, crf=10)
    settings = SpotSettings(speeds=(1.0,), threshold=6.0)
    found = [
        spot(
            Recognizer.load(tmp_path / "actions.a2m2", device=place).enrolled_,  # type: ignore[arg-type]
            tmp_path / "long.mp4",
            settings=settings,
        )
        for place in ("cpu", device)
    ]
    segments = [[(s.label, s.start_seconds, s.end_seconds) for s in record.segments] for record in found]
    assert segments[0] == segments[1]
    assert [label for label, _, _ in segments[0]] == ["left", "down"]


@DEVICES
@pytest.mark.parametrize("kind", ["weights", "backbone"])
def test_an_index(device: str, kind: str, tmp_path: Path) -> None:
    """Descriptors to a step of their eight bits; the same clips are found."""
    root = tmp_path / "clips"
    for seed, name in enumerate(("right", "left", "down", "up") * 5):
        root.mkdir(exist_ok=True)
        write_clip(root / f"{seed:02d}.mp4", moving_square(name, seed))
    origin = Origin("weights", "motion-small") if kind == "weights" else Origin("backbone", "motion-filters")
    found = {}
    for place in ("cpu", device):
        folder = tmp_path / f"index-{place}"
        settings = IndexSettings(
            origin=origin,
            num_frames=4,
            size=48,
            fit_clips=4,
            shard_size=8,
            device=place,  # type: ignore[arg-type]
        )
        record = index_collection(
            root, folder, settings=settings, cache=tmp_path / "cache", progress=lambda *_: None
        )
        assert (record.clips, record.broken) == (20, ())
        library = open_library(folder, device=place)  # type: ignore[arg-type]
        hits = library.search([str(root / "03.mp4")], top=5, cache=tmp_path / "cache").hits
        found[place] = (library.contents.descriptors(library.catalogue.contents), hits)
    values = found["cpu"][0].values
    step = float(values.abs().max()) / 127
    torch.testing.assert_close(found[device][0].values, values, rtol=0, atol=2 * step)
    scores = {place: {hit.names: hit.score for hit in hits} for place, (_, hits) in found.items()}
    assert scores[device] == pytest.approx(scores["cpu"], abs=0.05)


@pytest.mark.parametrize("device", [GPU])
def test_memory_that_is_not_enough_has_a_cure(device: str) -> None:
    refused = pytest.raises(ConfigError, match=r"the memory of .* is not enough .*or use device cpu")
    with refused, encoding(torch.device(device)):
        torch.empty(2**44, dtype=torch.uint8, device=device)
