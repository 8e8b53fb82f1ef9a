"""Configuration: order of precedence, names, messages, digests."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2m2.config import Section, load
from a2m2.errors import ConfigError
from a2m2.settings import EvaluateSettings, M2Settings
from a2m2.train_settings import TrainSettings

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


def test_overrides_beat_the_file_and_the_file_beats_values(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("protocol: {way: 3, shot: 2}\n")
    settings = load(
        EvaluateSettings, file, ["protocol.shot=4"], data="clips", protocol={"way": 9, "query": 7}
    )
    assert (settings.protocol.way, settings.protocol.shot, settings.protocol.query) == (3, 4, 7)


def test_values_are_read_as_yaml() -> None:
    settings = load(EvaluateSettings, None, ["m2.stages=[mid, last]", "m2.components=null"], data="clips")
    assert settings.m2.stages == ("mid", "last")
    assert settings.m2.components is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "a2.order_piror=0.3",
            r"--set a2.order_piror: unknown key 'a2.order_piror'; did you mean 'a2.order_prior'\?",
        ),
        ("protocl.way=3", r"unknown key 'protocl'; did you mean 'protocol'\?"),
        ("protocol.way=1", r"protocol.way: input should be greater than or equal to 2 \(got 1\)"),
        (
            "a2.weights=equal",
            r"a2.weights: input should be 'cross_reference', 'uniform', 'softmax', 'energy' or 'gate' \(got 'equal'\)",
        ),
        ("video.crop=300", r"video: crop 300 is larger than resize 224"),
        ("way", r"--set way: expected section.key=value, for example --set a2.order_prior=0.3"),
        ("m2.stages=[mid", r"--set m2.stages=\[mid: the value is not readable as YAML; quote it"),
    ],
)
def test_a_wrong_override_is_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(EvaluateSettings, None, [override], data="clips")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", r"is not valid YAML at line 1; correct the file"),
        ("- 1\n", r"expected keys and values at the top, got a list"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load(EvaluateSettings, file, data="clips")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration file .*none\.yaml; check the path"):
        load(EvaluateSettings, tmp_path / "none.yaml", data="clips")


def test_a_cholesky_factor_is_not_scaled_off_its_diagonal() -> None:
    with pytest.raises(ConfigError, match="root cholesky gives triangular ones; set it to false"):
        load(EvaluateSettings, None, ["m2.root=cholesky", "m2.scale_off_diagonal=true"], data="x")


def test_the_digest_names_the_content() -> None:
    assert M2Settings().digest() == M2Settings(order="second").digest()
    assert M2Settings().digest() != M2Settings(order="first").digest()
    assert len(M2Settings().digest()) == 16


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_loads(path: Path) -> None:
    """By its path and by its name."""
    settings = EvaluateSettings if path.stem == "evaluate" else TrainSettings
    assert load(settings, path, data="clips") == load(settings, Path(path.stem), data="clips")


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no configuration file .*; check the path, or name one of clip, evaluate, "
    ):
        load(TrainSettings, tmp_path / "none.yaml", data="clips")


def test_the_shipped_defaults_are_the_defaults() -> None:
    path = next(path for path in CONFIGS if path.name == "evaluate.yaml")
    assert load(EvaluateSettings, path, data="clips") == EvaluateSettings(data="clips")


def _sections(section: type[Section]) -> list[type[Section]]:
    nested = [field.annotation for field in section.model_fields.values()]
    return [section, *(s for s in nested if isinstance(s, type) and issubclass(s, Section))]


@pytest.mark.parametrize("section", _sections(EvaluateSettings), ids=lambda section: section.__name__)
def test_every_field_is_documented(section: type[Section]) -> None:
    documented = {name for name, field in section.model_fields.items() if field.description}
    sections = {name for name, field in section.model_fields.items() if isinstance(field.default, Section)}
    assert documented | sections == set(section.model_fields)
