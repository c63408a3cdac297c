"""Which backend runs the networks: as given, or as the places of the checkpoints tell.

A checkpoint is a folder, or a file that `jobs/export_model.py` wrote (.onnx); with `--backend onnx`, a folder stands
for `EXPORTED_NAME` in it. What the backends do is in `cluster.scoring.backends`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.storage import files

TORCH, ONNX = "torch", "onnx"
BACKEND_NAMES = (TORCH, ONNX)
SUFFIX = ".onnx"
EXPORTED_NAME = f"model{SUFFIX}"
BACKEND_HELP = (
    f"what runs the network: torch, or onnx for an exported file, given as the checkpoint or {EXPORTED_NAME} in its "
    f"folder; by default onnx for {SUFFIX} files"
)


def is_exported(checkpoint: str) -> bool:
    """Whether it names an exported file, and not a folder."""
    return checkpoint.lower().endswith(SUFFIX)


def exported_file(checkpoint: str) -> str:
    """The exported file that a checkpoint stands for."""
    return checkpoint if is_exported(checkpoint) else files.join(checkpoint, EXPORTED_NAME)


def chosen_backend(checkpoints: Sequence[str], given: str | None) -> str:
    """The name of the backend."""
    return given or (ONNX if any(map(is_exported, checkpoints)) else TORCH)


def backend_conflicts(checkpoints: Sequence[str], given: str | None, precision: str) -> Iterator[str]:
    """What is wrong with these options together."""
    exported = [checkpoint for checkpoint in checkpoints if is_exported(checkpoint)]
    folders = [checkpoint for checkpoint in checkpoints if not is_exported(checkpoint)]
    if given == TORCH and exported:
        yield f"--backend torch takes the folder of a checkpoint; exported files, for onnx, are {', '.join(exported)}"
    if given is None and exported and folders:
        yield (
            f"probabilities are averaged over networks of one backend: of onnx are {', '.join(exported)}; of torch "
            f"{', '.join(folders)}"
        )
    if chosen_backend(checkpoints, given) == ONNX and precision != "auto":
        yield f"precision cannot be chosen with --backend onnx, as an exported file has its own: not {precision}"
