"""What export and int8 cost in accuracy: top-1 on generated actions, of one stream network in every form.

    python benchmarks/exported_actions.py [--checkpoint FOLDER] [--scenes 120 20 40] [--epochs 12] [--json FILE]

The network is that of `benchmarks/actions.py`, trained as there from scratch, or read from FOLDER where an earlier run
has left it. int8 is calibrated on videos of the training split. Each form watches the test videos, and its answer after
the last frame counts; the other forms are compared with torch in fp32. Returns 1 if int8 loses more than `MAX_LOSS`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.actions import CLASSES, FAMILIES, FRAMES, LEARNING_RATE, SIZE, Examples, read_examples, train
from benchmarks.exported_forms import ONNX_FP32, ONNX_INT8, TORCH_FP32, running_forms
from benchmarks.generated_actions import class_names, write_actions
from benchmarks.measure import cores, write_json
from classifiers.choices import SINGLE_LABEL
from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model
from classifiers.weights.checkpoint import CLIP, Checkpoint, CheckpointConfig, read_checkpoint, write_checkpoint
from cluster.scoring.backends import StreamRunner
from cluster.scoring.plan import read_checkpoint_at
from extractors.clips.sampling import ClipSampling
from schemas.clips import ClipInput

MODEL = "movinet-a0-stream"
OPTIONS = {"frames": FRAMES, "height": SIZE, "width": SIZE, "dropout": 0.0, **FAMILIES[MODEL]}
CALIBRATION_VIDEOS = 64
MAX_LOSS = 0.01  # of top-1, by int8


def trained(sets: Mapping[str, Examples], epochs: int, seed: int) -> Checkpoint:
    """The network of `benchmarks/actions.py`, trained from scratch."""
    torch.manual_seed(seed)
    model = build_clip_model(MODEL, num_classes=CLASSES, options=OPTIONS)
    train(model, sets, learning_rate=LEARNING_RATE, epochs=epochs, seed=seed)
    return read_checkpoint(write_checkpoint(Checkpoint(_config(model, seed), model.state_dict())))


def _config(model: ClipModel, seed: int) -> CheckpointConfig:
    return CheckpointConfig(
        model=MODEL,
        options=OPTIONS,
        num_classes=CLASSES,
        class_names=class_names("actions"),
        class_indices=tuple(range(CLASSES)),
        rgb_dim=0,
        audio_dim=0,
        level=CLIP,
        task=SINGLE_LABEL,
        input_columns=(),
        feature_fingerprint={},
        clips=ClipInput(format=model.clip_format, sampling=asdict(ClipSampling())),
        temperature=1.0,
        metrics={},
        training={},
        seed=seed,
    )


def last_logits(network: StreamRunner, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The logits (N, K) after the last frame of videos (N, T, H, W, 3)."""
    return torch.stack([network.watch(clip, {})[0][-1] for clip in clips]).numpy()


def accuracies(checkpoint: Checkpoint, sets: Mapping[str, Examples]) -> dict[str, dict[str, float]]:
    """Of each form, top-1, the share of videos with the best class of torch in fp32, and the largest difference."""
    examples = sets["test"]
    targets, clips = examples.targets.numpy(), examples.clips.numpy()
    forms = running_forms(checkpoint, sets["train"].clips[:CALIBRATION_VIDEOS].numpy())
    logits = {name: last_logits(form.network, clips) for name, form in forms.items()}
    reference = logits[TORCH_FP32]
    return {
        name: {
            "top1": float((found.argmax(1) == targets).mean()),
            "agreement": float((found.argmax(1) == reference.argmax(1)).mean()),
            "largest_difference": float(np.abs(found - reference).max()),
        }
        for name, found in logits.items()
    }


def main() -> int:
    """Train or read, measure and print; returns 1 if int8 loses too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="folder to keep the trained network in, and to read it from")
    parser.add_argument("--scenes", type=int, nargs=3, default=(120, 20, 40), metavar="COUNT")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=cores(), help="of the training")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    scenes = dict(zip(("train", "validation", "test"), options.scenes, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_actions(
            Path(folder, "v"), "actions", scenes=scenes, frames=FRAMES, size=SIZE, seed=options.seed
        )
        sets = read_examples(manifest, "actions")
    if options.checkpoint is not None and options.checkpoint.exists():
        checkpoint = read_checkpoint_at(str(options.checkpoint))
    else:
        checkpoint = trained(sets, options.epochs, options.seed)
        if options.checkpoint is not None:
            options.checkpoint.mkdir(parents=True)
            for name, content in write_checkpoint(checkpoint).items():
                (options.checkpoint / name).write_bytes(content)
    found = accuracies(checkpoint, sets)
    write_json(options.json, found)
    print(f"\n{len(sets['test'].targets)} test videos{'':<6}{'top-1':>8}{'as fp32':>9}{'largest difference':>20}")
    for name, figures in found.items():
        print(f"{name:<22}{figures['top1']:>8.1%}{figures['agreement']:>9.1%}{figures['largest_difference']:>20.2g}")
    loss = found[ONNX_FP32]["top1"] - found[ONNX_INT8]["top1"]
    print(f"int8 against fp32: {-100 * loss:+.2f} points of top-1; it may lose {100 * MAX_LOSS:g}")
    return int(loss > MAX_LOSS)


if __name__ == "__main__":
    sys.exit(main())
