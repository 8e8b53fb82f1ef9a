"""Both stages of a training and a test, through the Python API.

    python examples/train_small.py

Renders a few clips of synthetic actions, pre-trains a small network on 64 base classes, trains it on episodes, and
tests it on classes that it has never seen. A few steps show the way and teach little: accuracy stays near chance, 20 %.
In earnest: `a2m2 pretrain` and `a2m2 train` with the configuration synth-small.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from a2m2.config import load
from a2m2.eval.evaluate import evaluate
from a2m2.settings import EvaluateSettings
from a2m2.synth import SynthConfig, generate
from a2m2.train.train import train
from a2m2.train_settings import TrainSettings

FEW = (
    "video.resize=32",
    "video.crop=32",
    "pretrain.steps=4",
    "pretrain.batch=8",
    "meta.steps=2",
    "meta.query=1",
    "validation.episodes=50",
)


def run(folder: Path) -> None:
    """Everything under ``folder``: clips, cache, two trainings."""
    clips = SynthConfig(stratum="sequences", clips_per_class=2, size=32, num_frames=16)
    generate(folder / "clips", clips)

    settings = load(TrainSettings, Path("synth-small"), FEW, data=str(folder / "clips"))
    cache = folder / "cache"
    for stage, start in (("pretrain", None), ("meta", folder / "pretrain")):
        record = train(settings, stage, folder / stage, start=start, cache=cache)
        assert record.best is not None
        print(f"{stage}: {record.steps} steps, best validation {100 * record.best.accuracy:.1f} %")

    tested = {"data": str(folder / "clips"), "weights": [str(folder / "meta")], "protocol": {"episodes": 200}}
    result = evaluate(EvaluateSettings.build(tested), cache=cache)
    for name, figures in result.summary.methods.items():
        print(f"{name}: {100 * figures.accuracy:.1f} ± {100 * figures.interval95:.1f} % on novel classes")


def main() -> None:
    """Run it in a folder that is deleted in the end."""
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder))


if __name__ == "__main__":
    main()
