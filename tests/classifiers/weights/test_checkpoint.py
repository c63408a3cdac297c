import dataclasses
import json
import re

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from classifiers.text.alphabet import Alphabet
from classifiers.weights.checkpoint import (
    CONFIG_FILE,
    HISTORY_FILE,
    WEIGHTS_FILE,
    Checkpoint,
    CheckpointConfig,
    CheckpointError,
    TrainingHistory,
    check_fingerprint,
    fitted_model,
    load_weights,
    read_checkpoint,
    read_config,
    write_checkpoint,
)
from schemas.clips import UNIT, ClipFormat, ClipInput
from schemas.lips import LipInput
from schemas.trainings import Epoch
from tests.support.memory import memory_below

CONFIG = CheckpointConfig(
    model="dense-5",
    options={"dropout": 0.5, "units": [220, 65], "activation": "tanh", "nested": {"deep": None}},
    num_classes=3,
    class_names=("Game", "Vehicle", "Café"),
    class_indices=(0, 1, 14),
    rgb_dim=4,
    audio_dim=2,
    level="video",
    task="single-label",
    input_columns=("mean_rgb", "mean_audio"),
    feature_fingerprint={"weights": "sha256:1", "pca": "sha256:2"},
    temperature=1.25,
    metrics={"hit_at_one": 0.9426, "gap": 0.5},
    training={"videos": 312_000, "optimizer": "rmsprop"},
    seed=7,
)
HISTORY = TrainingHistory(
    epochs=(Epoch(epoch=1, seconds=2.5, learning_rate=0.001, training={"loss": 0.5}, validation={"loss": None}),),
    best_epoch=1,
)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))


@pytest.fixture
def files():
    return write_checkpoint(Checkpoint(CONFIG, model().state_dict(), HISTORY))


def with_config(files, **changes):
    document = json.loads(files[CONFIG_FILE])
    return {**files, CONFIG_FILE: json.dumps({**document, **changes}).encode()}


def problems_of(files):
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(files, "gs://models/one")
    assert str(caught.value).startswith("gs://models/one: ")
    return caught.value.problems


def test_a_checkpoint_is_read_as_it_was_written(files):
    assert list(files) == [WEIGHTS_FILE, HISTORY_FILE, CONFIG_FILE]
    found = read_checkpoint(files)
    assert re.fullmatch("[0-9a-f]{64}", found.config.weights_sha256)
    assert dataclasses.replace(found.config, weights_sha256="") == CONFIG
    assert found.history == HISTORY
    expected = model().state_dict()
    assert found.state.keys() == expected.keys()
    assert all(torch.equal(found.state[key], expected[key]) for key in expected)


def test_a_configuration_is_read_alone(files):
    assert read_config(files[CONFIG_FILE]) == read_checkpoint(files).config
    with pytest.raises(CheckpointError, match=r"there: config.json: .*not JSON"):
        read_config(b"{", "there")


def test_equal_checkpoints_are_equal_bytes(files):
    assert write_checkpoint(read_checkpoint(files)) == files


def test_history_may_be_missing():
    files = write_checkpoint(Checkpoint(CONFIG, model().state_dict()))
    assert set(files) == {WEIGHTS_FILE, CONFIG_FILE}
    assert read_checkpoint(files).history is None


def test_weights_of_any_memory_layout_are_written():
    shared = torch.arange(6.0).reshape(2, 3)
    files = write_checkpoint(Checkpoint(CONFIG, {"a": shared, "b": shared, "c": shared.T}))
    assert torch.equal(read_checkpoint(files).state["c"], shared.T)


def test_a_newer_version_is_refused_in_one_line(files):
    (problem,) = problems_of(with_config(files, schema_version=3, novelty=1))
    assert problem.startswith("config.json: schema_version: 3, this code reads 2")


def test_the_version_before_clips_and_phases_is_read(files):
    config, history = json.loads(files[CONFIG_FILE]), json.loads(files[HISTORY_FILE])
    del config["clips"], history["epochs"][0]["phase"]
    older = {
        **files,
        CONFIG_FILE: json.dumps({**config, "schema_version": 1}).encode(),
        HISTORY_FILE: json.dumps({**history, "schema_version": 1}).encode(),
    }
    found = read_checkpoint(older)
    assert dataclasses.replace(found.config, weights_sha256="") == CONFIG
    assert found.history == HISTORY


def test_a_clip_checkpoint_has_format_and_sampling():
    clips = ClipInput(
        format=ClipFormat(frames=16, height=112, width=112, resize=(128, 171), fps=None, **UNIT),
        sampling={"placement": "central", "views": 1},
    )
    features = {"rgb_dim": 0, "audio_dim": 0, "level": "clip", "input_columns": (), "feature_fingerprint": {}}
    config = dataclasses.replace(CONFIG, **features, clips=clips)
    files = write_checkpoint(Checkpoint(config, model().state_dict()))
    assert read_checkpoint(files).config.clips == clips
    (problem,) = problems_of(with_config(files, clips={**json.loads(files[CONFIG_FILE])["clips"], "fps": 5}))
    assert problem.startswith("config.json: clips.fps: unknown key")
    with pytest.raises(ValueError, match="level is 'video', with clips: 'clip' and clips require each other"):
        dataclasses.replace(config, level="video")
    with pytest.raises(ValueError, match="takes no features"):
        dataclasses.replace(config, rgb_dim=4)


def test_problems_of_all_files_are_reported_together(files):
    document = json.loads(files[CONFIG_FILE])
    del document["seed"]
    document |= {"optoins": {}, "num_classes": "3", "temperature": True, "metrics": {"gap": None}}
    history = files[HISTORY_FILE].replace(b'"best_epoch": 1', b'"best_epoch": 1.5')
    problems = problems_of({WEIGHTS_FILE: b"junk", CONFIG_FILE: json.dumps(document).encode(), HISTORY_FILE: history})
    assert problems[:6] == (
        "config.json: optoins: unknown key; did you mean 'options'?",
        "config.json: seed: missing",
        'config.json: num_classes: expected a whole number, got "3"',
        "config.json: temperature: expected a number, got true",
        "config.json: metrics.gap: expected a number, got null",
        "history.json: best_epoch: expected a whole number, got 1.5",
    )
    assert problems[6].startswith("model.safetensors: not a safetensors file")
    assert len(problems) == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ["a", "b"]}, "2 class_names for 3 classes"),
        ({"class_indices": [1, 2]}, "2 class_indices for 3 classes"),
        ({"class_indices": [1, 2, 2]}, "class_indices must be distinct"),
        ({"class_indices": [1, 2, -2]}, "class_indices must be distinct and at least 0"),
        ({"num_classes": 0, "class_names": [], "class_indices": []}, "num_classes is 0"),
        ({"level": "clips"}, "level is 'clips', allowed: video, frame, clip"),
        ({"level": "clip"}, "level is 'clip', without clips"),
        ({"task": "both"}, "task is 'both', allowed: single-label, multi-label"),
        ({"rgb_dim": 0, "audio_dim": 0}, "one of them above 0"),
        ({"temperature": 0}, "temperature is 0.0"),
    ],
)
def test_inconsistent_values_are_refused(files, changes, message):
    (problem,) = problems_of(with_config(files, **changes))
    assert message in problem


def test_numbers_that_are_not_finite_are_not_written():
    with pytest.raises(ValueError, match="metric gap is nan; metric map is inf"):
        dataclasses.replace(CONFIG, metrics={"gap": float("nan"), "map": float("inf")})
    state = model().state_dict()
    state["2.weight"][0, 0] = float("inf")
    with pytest.raises(CheckpointError, match=r"2\.weight: has values that are not finite"):
        write_checkpoint(Checkpoint(CONFIG, state))


def test_a_folder_without_a_checkpoint_is_told():
    assert problems_of({}) == ("there is no checkpoint, a folder with model.safetensors and config.json",)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, CONFIG_FILE])
def test_a_missing_file_is_named(files, name):
    del files[name]
    assert problems_of(files) == (f"{name}: missing; a checkpoint is a folder with model.safetensors and config.json",)


def test_files_of_different_trainings_are_refused(files):
    other = load(files[WEIGHTS_FILE])
    other["2.bias"] += 1
    (problem,) = problems_of({**files, WEIGHTS_FILE: save(other)})
    assert "the files are of different trainings, or one is damaged" in problem


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:8], lambda data: b"\x80" + data]
)
def test_damaged_weights_are_refused(files, damage):
    problems = problems_of({**files, WEIGHTS_FILE: damage(files[WEIGHTS_FILE])})
    assert problems[0].startswith("model.safetensors: not a safetensors file")


@pytest.mark.parametrize("text", [b"\xff\xfe", b"", b"[]", b"{", b"null", b"[" * 100_000])
@pytest.mark.parametrize("name", [CONFIG_FILE, HISTORY_FILE])
def test_damaged_texts_are_refused(files, name, text):
    (problem,) = problems_of({**files, name: text})
    assert problem.startswith(f"{name}: ")


def test_weights_are_loaded_into_their_model(files):
    filled = model()
    nn.init.zeros_(filled[0].weight)
    load_weights(filled, read_checkpoint(files))
    assert torch.equal(filled[0].weight, model()[0].weight)


def test_weights_of_another_model_are_refused_tensor_by_tensor(files):
    other = nn.Sequential(nn.Linear(6, 4), nn.Identity(), nn.Linear(5, 3), nn.Linear(1, 1, bias=False))
    with pytest.raises(CheckpointError, match="weights for model 'dense-5': 8 problem") as caught:
        load_weights(other, read_checkpoint(files))
    assert caught.value.problems == (
        "3.weight: missing",
        *(f"1.{name}: the model has no such tensor" for name in sorted(model()[1].state_dict())),
        "0.bias: float32 (5,), the model has float32 (4,)",
        "0.weight: float32 (5, 6), the model has float32 (4, 6)",
    )


def test_features_of_another_kind_are_refused_with_what_differs():
    check_fingerprint(CONFIG, dict(CONFIG.feature_fingerprint), "gs://data/features")
    with pytest.raises(CheckpointError, match="gs://data/features: not the features that model") as caught:
        check_fingerprint(CONFIG, {"weights": "sha256:1", "pca": "sha256:9", "fps": "2"}, "gs://data/features")
    assert caught.value.problems == (
        "fps: 2, the model was trained on not set",
        "pca: sha256:9, the model was trained on sha256:2",
    )
    with pytest.raises(CheckpointError, match="weights: not set, the model was trained on sha256:1"):
        check_fingerprint(CONFIG, {}, "old.tfrecord")


def test_a_long_list_of_problems_is_shortened_in_the_message():
    error = CheckpointError("it", [f"problem {i}" for i in range(50)])
    assert len(error.problems) == 50
    assert str(error).count("\n") == 21
    assert str(error).endswith("and 30 more")


def fitted(files, build=model):
    return fitted_model(build, read_checkpoint(files), "classifier/")


def test_a_model_is_built_where_it_fits_the_weights(files):
    found = fitted(files)
    assert all(torch.equal(value, found.state_dict()[key]) for key, value in model().state_dict().items())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: nn.Sequential(nn.Linear(10**13, 500)),
            r"0\.weight: float32 \(5, 6\), the model has float32 \(500, 1000",
        ),
        (lambda: nn.Sequential(nn.Linear(10**18, 10**18)), "^classifier/: .+"),
        (lambda: nn.Sequential(nn.Linear(10**30, 2)), "^classifier/: .+"),
        (lambda: nn.Sequential(nn.Linear(-1, 2)), "^classifier/: .+"),
    ],
)
def test_models_of_any_size_take_no_memory_where_the_weights_do_not_fit(files, build, message):
    with memory_below(50), pytest.raises(CheckpointError, match=message):
        fitted(files, build)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("10000000000000", "rgb_dim is 10000000000000, audio_dim 2; expected at most 65536"),
        ("1" * 40, "config.json: not JSON: '1111"),
        ("1" * 5000, "config.json: not JSON: '1111"),
        ("1e400", "rgb_dim: expected a whole number"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_numbers_of_any_length_are_named(files, number, message, version):
    text = files[CONFIG_FILE].decode().replace('"rgb_dim": 4', f'"rgb_dim": {number}')
    text = text.replace('"schema_version": 2', f'"schema_version": {version}')
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint({**files, CONFIG_FILE: text.encode()})


def test_class_indices_are_those_that_shards_hold():
    with pytest.raises(ValueError, match="class_indices must be distinct and at least 0, at most 2147483647"):
        dataclasses.replace(CONFIG, class_indices=(0, 1, 2**31))


@pytest.mark.parametrize(
    "epochs", [3, None, "text", {"a": 1}, [3], [None], ["text"], [[]], [{"phase": {}}], [{"epoch": "x"}]]
)
def test_odd_epochs_of_version_1_are_named(files, epochs):
    history = {"schema_version": 1, "epochs": epochs, "best_epoch": None}
    with pytest.raises(CheckpointError, match=r"history\.json: epochs"):
        read_checkpoint({**files, HISTORY_FILE: json.dumps(history).encode()})


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"schema_version": 1, "a": ' + b"[" * 100_000, b"\xff", b"1", b"[]"]
)
def test_other_json_is_named(files, content):
    for name in (CONFIG_FILE, HISTORY_FILE):
        with pytest.raises(CheckpointError, match=name):
            read_checkpoint({**files, name: content})


def test_a_lip_reader_has_crops_and_an_alphabet():
    alphabet = Alphabet(("a", "b", " "), blank=0)
    changes = {"rgb_dim": 0, "audio_dim": 0, "level": "lip", "input_columns": (), "task": "transcription"}
    changes |= {"class_names": (), "class_indices": (), "num_classes": 4}
    lips = LipInput(height=46, width=140, channels=1, crop="fixed")
    config = dataclasses.replace(CONFIG, **changes, lips=lips, alphabet=alphabet)
    found = read_checkpoint(write_checkpoint(Checkpoint(config, model().state_dict()))).config
    assert (found.lips, found.alphabet) == (lips, alphabet)
    for wrong, problem in (
        ({"alphabet": None}, "without alphabet: 'lip' and alphabet require each other"),
        ({"lips": None}, "without lips"),
        ({"num_classes": 5}, "an alphabet of 4 outputs for 5 classes"),
        ({"task": "single-label"}, "task is 'single-label', allowed: transcription"),
        ({"class_names": ("a",)}, "1 class_names for 0 classes"),
        ({"rgb_dim": 3}, "takes no features"),
    ):
        with pytest.raises(ValueError, match=problem):
            dataclasses.replace(config, **wrong)
    with pytest.raises(ValueError, match="task is 'transcription', allowed: single-label, multi-label"):
        dataclasses.replace(CONFIG, task="transcription")
