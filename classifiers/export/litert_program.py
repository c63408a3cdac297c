"""The program that converts a clip classifier to LiteRT, run by the Python of the converter's environment.

    python -m classifiers.export.litert_program FOLDER

In: a folder with a checkpoint, `config.json` and `model.safetensors`. Out: in the same folder, `network.tflite`, and
`versions.json`, a JSON object of the libraries that wrote it. Inputs and outputs have no names yet but `args_0`,
`output_0` and so on, in the order of the form (`classifiers.export.form`). All sizes are fixed: one clip, or one frame
of one video. Counters stay int64, as in the checkpoint's network.

That environment needs `litert-torch`, and of ours `classifiers`, `extractors` and `schemas`.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

from classifiers.export.form import form_of
from classifiers.export.litert_lowering import lowered
from classifiers.inference.clip_classifier import clip_model_of
from classifiers.weights.checkpoint import CONFIG_FILE, WEIGHTS_FILE, read_checkpoint

NETWORK_FILE, VERSIONS_FILE = "network.tflite", "versions.json"
LIBRARIES = ("torch", "litert-torch", "litert-converter")


def main(folder: Path) -> None:
    """Convert the checkpoint in a folder."""
    import litert_torch

    checkpoint = read_checkpoint({name: (folder / name).read_bytes() for name in (CONFIG_FILE, WEIGHTS_FILE)})
    form = lowered(form_of(clip_model_of(checkpoint)))
    # Without `enable_x64` 64-bit integers would become 32 bits wide.
    converted = litert_torch.convert(form, form.examples(videos=1, frames=1), enable_x64=True)
    converted.export(str(folder / NETWORK_FILE))
    (folder / VERSIONS_FILE).write_text(json.dumps({name: version(name) for name in LIBRARIES}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
