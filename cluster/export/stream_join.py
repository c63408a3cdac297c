"""Joins a checkpoint of I3D on RGB and one on optical flow into one of the two-stream network.

In: two folders. Out: one, with the mean of their logits, each at its own temperature. The two must have the same
classes, task, model options, and clips.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

from classifiers.clip_models.i3d_two_stream import joined
from classifiers.clip_models.registry import clip_model_config
from classifiers.inference.clip_classifier import clip_model_of
from classifiers.weights.checkpoint import CONFIG_FILE, Checkpoint, write_checkpoint
from cluster.export.config import JoinOptions
from cluster.runs.command_line import complain
from cluster.runs.lifecycle import ExitCode
from cluster.scoring.plan import read_checkpoint_at
from cluster.storage import files
from schemas.errors import InputError
from schemas.text import counted

RGB, FLOW, TWO_STREAM = "i3d", "i3d-flow", "i3d-two-stream"
EQUAL = ("task", "num_classes", "class_names", "class_indices")


def run_join(options: JoinOptions, log: Callable[[str], None]) -> ExitCode:
    """Write the checkpoint; `log` gets what it says."""
    try:
        target = files.join(options.output, CONFIG_FILE)
        files.check_writable(target)
        if files.exists(target):
            raise InputError(f"{options.output} holds a checkpoint already: give another --output")
        checkpoint = join(read_checkpoint_at(options.rgb), read_checkpoint_at(options.flow))
        for name, content in write_checkpoint(checkpoint).items():
            files.write_bytes(files.join(options.output, name), content)
    except (InputError, ValueError, OSError) as error:  # `CheckpointError` among them
        complain(error)
        return ExitCode.BAD_INPUT
    log(
        f"{options.output}: {TWO_STREAM}, {counted(checkpoint.config.num_classes, 'class')}; "
        "nothing has measured it yet"
    )
    return ExitCode.DONE


def join(rgb: Checkpoint, flow: Checkpoint) -> Checkpoint:
    """The checkpoint of both.

    Raises:
        InputError: for checkpoints that do not go together, with every reason.
        CheckpointError: for weights that do not fit their model.
    """
    one, other = rgb.config, flow.config
    problems = [
        f"--{name} is of model {config.model!r}, not of {model!r}"
        for name, config, model in (("rgb", one, RGB), ("flow", other, FLOW))
        if config.model != model
    ]
    if problems:
        raise InputError(*problems)
    for checkpoint in (rgb, flow):
        clip_model_of(checkpoint)
    options = [asdict(clip_model_config(config.model, config.options)) for config in (one, other)]
    own = [{key: value for key, value in values.items() if key != "flow"} for values in options]
    assert one.clips is not None
    assert other.clips is not None
    form, pixels = other.clips.format, one.clips.format
    shared = ("frames", "height", "width", "resize", "fps")
    compared = {
        **{name: (getattr(one, name), getattr(other, name)) for name in EQUAL},
        **{f"model option {key}": (value, own[1][key]) for key, value in own[0].items()},
        **{name: (getattr(pixels, name), getattr(form, name)) for name in shared},
        "sampling": (dict(one.clips.sampling), dict(other.clips.sampling)),
    }
    problems = [
        f"{name} is {mine!r} in --rgb, {theirs!r} in --flow"
        for name, (mine, theirs) in compared.items()
        if mine != theirs
    ]
    if problems:
        raise InputError(*problems)
    both = replace(form, mean=pixels.mean + form.mean, std=pixels.std + form.std)
    config = replace(
        one,
        model=TWO_STREAM,
        options=own[0],
        clips=replace(one.clips, format=both),
        temperature=1.0,
        metrics={},
        training={"joined": {RGB: one.weights_sha256, FLOW: other.weights_sha256}},
        weights_sha256="",
    )
    both_streams = Checkpoint(config, joined(rgb.state, flow.state, (one.temperature, other.temperature)))
    clip_model_of(both_streams)  # which refuses weights that do not fit
    return both_streams
