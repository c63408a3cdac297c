from pathlib import Path

import pytest
import torch

from classifiers.clip_models.registry import build_clip_model
from classifiers.weights.checkpoint import Checkpoint, CheckpointConfig, write_checkpoint
from cluster.training.initial_weights import InitialWeights, InitialWeightsError
from schemas.clips import ClipInput

SMALL = {"frames": 16, "height": 16, "width": 16, "width_factor": 0.05}
KERAS = str(Path(__file__).parents[2] / "fixtures" / "keras" / "c3d.h5")  # written by Keras
NAMES = ("go", "stop", "turn")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained")
    return path, write_trained(path, "c3d", SMALL)


def write_trained(path, name, options, classes=NAMES):
    """A checkpoint of a model as training writes it."""
    torch.manual_seed(3)
    model = build_clip_model(name, num_classes=len(classes), options=options)
    torch.nn.init.ones_(model.head.bias)
    config = CheckpointConfig(
        model=name,
        options=options,
        num_classes=len(classes),
        class_names=classes,
        class_indices=tuple(range(len(classes))),
        rgb_dim=0,
        audio_dim=0,
        level="clip",
        task="single-label",
        input_columns=(),
        feature_fingerprint={},
        temperature=1.0,
        metrics={},
        training={},
        seed=1,
        clips=ClipInput(format=model.clip_format, sampling={"placement": "central"}),
    )
    for file, content in write_checkpoint(Checkpoint(config, model.state_dict())).items():
        (path / file).write_bytes(content)
    return model


def fresh(classes=3, name="c3d", **options):
    torch.manual_seed(2)
    return build_clip_model(name, num_classes=classes, options={**SMALL, **options})


def same(model, other):
    """The stages whose weights are equal."""
    theirs = other.stages()
    return {
        name
        for name, stage in model.stages().items()
        if all(
            value.shape == theirs[name].state_dict()[key].shape and torch.equal(value, theirs[name].state_dict()[key])
            for key, value in stage.state_dict().items()
        )
    }


TRUNK = {"conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"}


@pytest.mark.parametrize(
    ("head", "names", "kept"),
    [
        ("auto", NAMES, {*TRUNK, "head"}),
        ("auto", ("go", "stop", "wait"), TRUNK),
        ("auto", ("go", "stop", "turn", "wait"), TRUNK),
        ("auto", ("stop", "go", "turn"), TRUNK),
        ("reset", NAMES, TRUNK),
        ("keep", NAMES, {*TRUNK, "head"}),
    ],
)
def test_the_head_goes_with_its_classes(folder, head, names, kept):
    path, trained = folder
    model, untouched = fresh(len(names)), fresh(len(names))
    InitialWeights(str(path), head).fill(model, "c3d", names)
    assert same(model, trained) == kept
    assert same(model, untouched) == {*TRUNK, "head"} - kept


@pytest.mark.parametrize(
    ("names", "part"),
    [
        (("go", "wait", "turn"), "its head has other classes, without 'wait' and with 'stop'"),
        (("go", "turn", "stop"), "in another order"),
        ((*NAMES, "wait"), "without 'wait'"),
    ],
)
def test_a_head_that_is_to_be_kept_must_fit(folder, names, part):
    with pytest.raises(InitialWeightsError, match=part):
        InitialWeights(str(folder[0]), "keep").fill(fresh(len(names)), "c3d", names)


def test_weights_of_another_model_are_refused(folder):
    with pytest.raises(
        InitialWeightsError, match="it is of model 'c3d', not of 's3d', which is to be trained"
    ) as caught:
        InitialWeights(str(folder[0])).fill(fresh(name="s3d", height=32, width=32), "s3d", NAMES)
    assert str(caught.value).count(str(folder[0])) == 1
    with pytest.raises(InitialWeightsError, match=r"fc6\.weight: .* the model has"):
        InitialWeights(str(folder[0])).fill(fresh(height=48), "c3d", NAMES)
    with pytest.raises(InitialWeightsError, match="nowhere"):
        InitialWeights(str(folder[0] / "nowhere.pt")).fill(fresh(), "c3d", NAMES)


def test_weights_of_other_options_are_refused(folder):
    """Where shapes would not tell: the same numbers would mean something else."""
    with pytest.raises(InitialWeightsError, match="its model has option pixels=bytes, not signed") as caught:
        InitialWeights(str(folder[0])).fill(fresh(pixels="signed", width_factor=0.1), "c3d", NAMES)
    assert "width_factor=0.05, not 0.1" in str(caught.value)
    model = fresh(dropout=0.1)
    InitialWeights(str(folder[0])).fill(model, "c3d", NAMES)
    assert same(model, folder[1]) == {*TRUNK, "head"}


def test_public_weights_get_a_new_head(tmp_path):
    public = fresh(5)
    with torch.no_grad():
        for value in public.parameters():
            value.add_(1)
    path = tmp_path / "c3d.pt"
    state = {}
    for key, value in public.state_dict().items():
        *_, layer, kind = key.split(".")
        state[f"{'fc8' if layer == 'head' else layer}.{kind}"] = value
    torch.save(state, path)
    model, untouched = fresh(), fresh()
    InitialWeights(str(path)).fill(model, "c3d", NAMES)
    assert same(model, public) == TRUNK
    assert same(model, untouched) == {"head"}
    with pytest.raises(InitialWeightsError, match=r"fc8\.weight"):
        InitialWeights(str(path), "keep").fill(fresh(), "c3d", NAMES)
    five = fresh(5)
    InitialWeights(str(path), "keep").fill(five, "c3d", tuple("abcde"))
    assert same(five, public) == {*TRUNK, "head"}


def test_public_weights_that_need_other_options_name_them():
    """Keras pads behind alone where the port to PyTorch pads on both sides, which no shape tells."""
    keras = {"frames": 32, "height": 48, "width": 32, "width_factor": 1 / 64}
    with pytest.raises(InitialWeightsError, match="need --model-options pool5=end, not the default both"):
        InitialWeights(KERAS).fill(fresh(**keras), "c3d", NAMES)
    model, untouched = (fresh(**keras, pool5="end", pixels="signed") for _ in range(2))  # what is chosen is taken
    InitialWeights(KERAS).fill(model, "c3d", NAMES)
    assert same(model, untouched) == {"head"}


STREAM = {"width_factor": 0.25, "frames": 4, "height": 32, "width": 32}


@pytest.mark.parametrize(("names", "kept"), [(NAMES, True), (("go", "stop"), False)])
def test_a_checkpoint_of_the_base_network_starts_a_stream_network(tmp_path, names, kept):
    base = write_trained(tmp_path, "movinet-a0", STREAM)
    model = build_clip_model("movinet-a0-stream", num_classes=len(names), options=STREAM)
    left_out = InitialWeights(str(tmp_path)).fill(model, "movinet-a0-stream", names)
    assert left_out[:2] == ("trunk.b0.0.se.fc1.weight", "trunk.b1.0.deep.conv.weight")
    theirs = base.state_dict()
    for key in ("trunk.conv1.conv.weight", "trunk.b2.1.project.norm.running_var", "trunk.dense.0.weight"):
        assert torch.equal(model.state_dict()[key], theirs[key].reshape(model.state_dict()[key].shape))
    assert bool((model.head.bias == 1).all()) == kept


def test_the_base_network_must_be_of_the_same_size(tmp_path):
    write_trained(tmp_path, "movinet-a0", STREAM)
    model = build_clip_model("movinet-a1-stream", num_classes=3, options=STREAM)
    with pytest.raises(InitialWeightsError, match="its model has option variant=a0, not a1"):
        InitialWeights(str(tmp_path)).fill(model, "movinet-a1-stream", NAMES)
    base = build_clip_model("movinet-a0", num_classes=3, options=STREAM)
    write_trained(tmp_path, "movinet-a0-stream", STREAM)
    with pytest.raises(InitialWeightsError, match="it is of model 'movinet-a0-stream', not of 'movinet-a0'"):
        InitialWeights(str(tmp_path)).fill(base, "movinet-a0", NAMES)
