"""Exported classifiers: small networks as files.

`tests/fixtures/litert` has checkpoints, whose weights are powers of two with either sign, as they compress well, and
what `jobs/export_model.py --format litert` has made of them.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import torch

from classifiers.clip_models.registry import build_clip_model
from classifiers.export.form import Form, described, form_of
from classifiers.export.litert_file import IDENTIFIER, litert_library
from classifiers.export.litert_program import NETWORK_FILE, VERSIONS_FILE
from classifiers.export.onnx_file import network_file, versions, with_metadata
from classifiers.inference.clip_classifier import clip_model_of
from classifiers.weights.checkpoint import (
    CLIP,
    CONFIG_FILE,
    WEIGHTS_FILE,
    Checkpoint,
    CheckpointConfig,
    read_checkpoint,
    write_checkpoint,
)
from extractors.clips.sampling import ClipSampling
from schemas.clips import ClipInput
from schemas.exports import METADATA_KEY
from tests.support.clips import STREAM, STREAM_OPTIONS, trained_clips

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "litert"
LITERT = ("clip", "stream")


def plain_stream(seed: int = 0) -> Checkpoint:
    """That of a stream network whose logits lie close to one another, as its weights come."""
    return trained_clips(model=STREAM, options=STREAM_OPTIONS, seed=seed)


def exported(checkpoint: Checkpoint, precision: str = "fp32", memory_frames: int | None = None) -> tuple[Form, bytes]:
    """The form of a checkpoint's network, and its file."""
    form = form_of(clip_model_of(checkpoint), memory_frames)
    model = described(form, checkpoint.config, precision=precision, quantization={}, versions=versions())
    return form, with_metadata(network_file(form), model)


def coarse(model: str, options: Mapping[str, Any], classes: int = 4) -> Checkpoint:
    """A checkpoint whose weights are powers of two with either sign, and none of whose blocks is shut."""
    network = build_clip_model(model, num_classes=classes, options=options)
    draw = np.random.default_rng(0)
    with torch.no_grad():
        for key, value in network.named_parameters():
            signs = torch.from_numpy(draw.choice(np.array([-1, 1], np.float32), tuple(value.shape)))
            if value.ndim > 1:
                value.copy_(signs * 2.0 ** -round(np.log2(value[0].numel()) / 2))
            elif value.ndim == 0:  # a block's share, which starts at nothing
                value.fill_(0.5)
            elif key.endswith("bias"):
                value.zero_()
    config = CheckpointConfig(
        model=model,
        options=dict(options),
        num_classes=classes,
        class_names=tuple(f"Class {place}" for place in range(classes)),
        class_indices=tuple(range(classes)),
        rgb_dim=0,
        audio_dim=0,
        level=CLIP,
        task="single-label",
        input_columns=(),
        feature_fingerprint={},
        clips=ClipInput(format=network.clip_format, sampling=asdict(ClipSampling())),
        temperature=1.0,
        metrics={},
        training={},
        seed=0,
    )
    return read_checkpoint(write_checkpoint(Checkpoint(config, network.state_dict())))


def litert_checkpoint(name: str) -> Checkpoint:
    """A checkpoint of `LITERT`."""
    folder = FIXTURES / name
    weights = gzip.decompress((folder / f"{WEIGHTS_FILE}.gz").read_bytes())
    return read_checkpoint({CONFIG_FILE: (folder / CONFIG_FILE).read_bytes(), WEIGHTS_FILE: weights})


def litert_fixture(name: str) -> tuple[Form, bytes]:
    """The form of a checkpoint of `LITERT`, and its file."""
    content = gzip.decompress((FIXTURES / name / "model.tflite.gz").read_bytes())
    return form_of(clip_model_of(litert_checkpoint(name))), content


def as_converted(form: Form, content: bytes) -> bytes:
    """A finished LiteRT file as the converter has left it: without names and metadata."""
    schema = litert_library("schema")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    (signature,) = model.signatureDefs
    for tensors, kind, names in ((signature.inputs, "args", form.inputs), (signature.outputs, "output", form.outputs)):
        for tensor in tensors:
            tensor.name = f"{kind}_{names.index(tensor.name.decode())}".encode()
    model.metadata = [entry for entry in model.metadata if entry.name != METADATA_KEY.encode()]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def converter_stand_in(folder: Path, network: bytes) -> str:
    """What looks like the Python of a converter's environment, and converts everything to the same network."""
    (folder / "network").write_bytes(network)
    program = folder / "python"
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = -c ] || {{ cp "{folder}/network" "$4/{NETWORK_FILE}"; echo "{{}}" > "$4/{VERSIONS_FILE}"; }}\n'
    )
    program.chmod(0o755)
    return str(program)
