from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, model_validator

from svsdata.errors import ConfigError
from svsdata.pipelines.configs.base import StageConfig, make_config, read_toml


class Weights(StageConfig):
    flow: float = Field(10.0, ge=0)
    warp: float = 10.0


class Edit(BaseModel):
    speed: float = 1.0


class TrainConfig(StageConfig):
    store: Path
    steps: int | None = Field(None, ge=1)
    clip_length: int = 30
    name: str = "C"
    flips: bool = True
    flow: Literal["dis", "none"] | None = None
    perceptual: Path | None = None
    sizes: tuple[int, ...] = ()
    sequences: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    weights: Weights = Weights()
    extra: Weights | None = None
    edits: dict[str, Edit] = Field({})
    anything: dict[str, Any] = Field({})

    @model_validator(mode="after")
    def _short_enough(self) -> "TrainConfig":
        if self.clip_length > 100:
            raise ValueError("a clip has at most 100 frames")
        return self


STORE = {"store": "s"}


def made(*settings: str) -> TrainConfig:
    return make_config(TrainConfig, STORE, settings=settings)


def told(*settings: str) -> str:
    with pytest.raises(ConfigError) as error:
        made(*settings)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_word_in_the_place_of_fields_is_told_how_they_are_named():
    assert "'edits': expected fields of its own, edits.NAME=VALUE, got \"red\"" in told("edits=red")


def test_later_layers_win_and_none_leaves_a_field_alone():
    config = make_config(TrainConfig, STORE, {"steps": 5, "name": "A"}, {"steps": 7, "name": None})
    assert (config.steps, config.name) == (7, "A")


def test_a_nested_record_replaces_only_the_fields_it_names():
    preset = {"store": "s", "weights": Weights(warp=3)}
    config = make_config(TrainConfig, preset, {"weights": {"flow": 5}})
    assert config.weights == Weights(flow=5, warp=3)
    assert preset["weights"] == Weights(warp=3)


def test_set_wins_over_every_layer():
    config = make_config(
        TrainConfig, STORE, {"weights": Weights(flow=5)}, settings=["weights.flow=7"]
    )
    assert config.weights.flow == 7


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("steps=4000", "steps", 4000),
        ("steps=none", "steps", None),
        ("name=7", "name", "7"),
        ("name=true", "name", "true"),
        ("name=a=b", "name", "a=b"),
        ("name= spaced words ", "name", "spaced words"),
        ("name=", "name", ""),
        ("flips=false", "flips", False),
        ("flow=none", "flow", "none"),
        ("flow=dis", "flow", "dis"),
        ("perceptual=none", "perceptual", None),
        ("perceptual=vgg/1.safetensors", "perceptual", Path("vgg/1.safetensors")),
        ("store=2024", "store", Path("2024")),
        ("sizes=16,32", "sizes", (16, 32)),
        ("sizes=[16, 32]", "sizes", (16, 32)),
        ("sizes=16", "sizes", (16,)),
        ("sequences=a,b", "sequences", ("a", "b")),
        ("sequences=1", "sequences", ("1",)),
        ("sequences=[a, b]", "sequences", ("a", "b")),
        ("sequences=[a]", "sequences", ("a",)),
        ("weights.flow=1e-3", "weights", Weights(flow=0.001)),
        ("extra.warp=2", "extra", Weights(warp=2)),
        ("weights={flow = 2}", "weights", Weights(flow=2)),
        ("edits.truck.speed=3", "edits", {"truck": Edit(speed=3)}),
        ("anything.count=3", "anything", {"count": 3}),
        ("anything.kind=bus", "anything", {"kind": "bus"}),
        ("anything.kind=bus,car", "anything", {"kind": ["bus", "car"]}),
        ("anything.span=35,4.5", "anything", {"span": [35, 4.5]}),
        ("anything.span=[35, 40]", "anything", {"span": [35, 40]}),
        ("anything.colour=rgb(1, 2, 3)", "anything", {"colour": "rgb(1, 2, 3)"}),
    ],
)
def test_a_word_is_read_as_the_type_of_its_field(setting, field, value):
    assert getattr(made(setting), field) == value


def test_two_fields_of_one_edit_go_together():
    assert made("edits.a.speed=2", "edits.b.speed=3").edits == {
        "a": Edit(speed=2),
        "b": Edit(speed=3),
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "clip_lenght=6",
            "config of train: unknown key 'clip_lenght'; did you mean 'clip_length'?",
        ),
        ("weights.flwo=6", "unknown key 'weights.flwo'; did you mean 'weights.flow'?"),
        ("warp=6", "unknown key 'warp'; did you mean 'weights.warp'?"),
        ("zzzzz=6", "unknown key 'zzzzz'; known: store, steps, clip_length"),
        ("steps=many", "'steps': input should be a valid integer"),
        ("steps=many", 'got "many"'),
        ("steps=0", "'steps': input should be greater than or equal to 1, got "),
        ("weights.flow=-1", "'weights.flow': input should be greater than or equal to 0"),
        ("flow=raft", "'flow': input should be 'dis' or 'none', got \"raft\""),
        ("sizes=tall", "'sizes': expected a list, such as a,b or [1, 2], got \"tall\""),
        ("clip_length=101", "config of train: a clip has at most 100 frames"),
        ("steps.more=1", "steps"),
        ("name.first=1", "name"),
        ("seed", "--set 'seed': expected key=value, such as --set seed=7"),
        ("=7", "expected key=value"),
        ("a..b=7", "expected key=value"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(setting, message):
    assert message in told(setting)


def test_a_word_that_has_no_fields_is_named():
    with pytest.raises(ConfigError, match="'name' has no fields of its own"):
        make_config(TrainConfig, STORE, {"name": "C"}, settings=["name.first=1"])


def test_several_faults_are_counted():
    assert told("steps=0", "flow=raft").endswith("(and 1 more)")


def test_a_missing_field_is_named():
    with pytest.raises(ConfigError, match="config of train: 'store' is not given"):
        make_config(TrainConfig)


def test_a_config_cannot_change():
    with pytest.raises(ValueError, match="frozen"):
        made().steps = 3  # type: ignore[misc]


def test_the_resolved_config_makes_the_same_config_again():
    config = made("weights.flow=3", "sizes=4,5", "edits.a.speed=2")
    again = make_config(TrainConfig, config.resolved())
    assert again == config
    assert again.digest() == config.digest()


def test_the_digest_tells_configs_apart():
    assert made().digest() != made("weights.flow=3").digest()
    assert len(made().digest()) == 64


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a = ", "is no TOML"), (b"\xff", "is no TOML"), (None, "No such file")],
)
def test_a_file_that_is_no_toml_is_told(tmp_path, content, message):
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_toml(path)


def test_a_leading_tilde_of_a_path_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = make_config(
        TrainConfig, {"store": "~/s", "name": "~C"}, settings=["perceptual=~/w", "paths=a,~/b"]
    )
    assert (config.store, config.perceptual) == (tmp_path / "s", tmp_path / "w")
    assert config.paths == (Path("a"), tmp_path / "b")
    assert config.name == "~C"
    assert make_config(TrainConfig, {"store": "a/~"}).store == Path("a/~")
    (tmp_path / "fields.toml").write_text("steps = 3")
    assert read_toml(Path("~/fields.toml")) == {"steps": 3}
