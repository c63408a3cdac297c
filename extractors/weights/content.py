"""What a file is that was taken for weights and holds none, by its content.

In: the path of a file. Out: what is wrong with it, and the remedy, as the end of a sentence about the file.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

START_BYTES = 1024
ZIP_MAGIC = b"PK\x03\x04"
GIT_LFS = b"version https://git-lfs.github.com/spec/"
GIT_LFS_SIZE = re.compile(rb"^size (\d+)$", re.MULTILINE)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
KERAS_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
TORCHSCRIPT_MEMBER = "constants.pkl"
AGAIN = "download or copy it again"


class WeightsError(ValueError):
    """A weight file cannot be used; the message names the file, the reason and what is accepted."""


class Hdf5Error(ValueError):
    """An HDF5 file cannot be used; the message names the object and the problem."""


def foreign_content(path: Path) -> str:
    """What the file is instead of weights; empty if nothing speaks against it, and for folders and missing files."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    if not start:
        return f"is empty: {AGAIN}"
    if start.startswith(GIT_LFS):
        size = GIT_LFS_SIZE.search(start)
        stands_for = f", which has {int(size[1]):,} bytes" if size else ""
        return f"is a pointer of Git LFS, not the file itself{stands_for}: run `git lfs pull` where it was cloned"
    if start.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"<") and b"\0" not in start:
        kind = "XML" if b"<?xml" in start and b"<html" not in start.lower() else "HTML"
        return (
            f"is a page of text ({kind}), not weights: the address leads to a page or an error message; "
            "open it in a browser and copy the address of the download itself"
        )
    return _of_archive(path) if start.startswith(ZIP_MAGIC) else ""


def damage_of(path: Path, error: Exception) -> str:
    """What is wrong with a file that a library could not read, with the start of the library's own words."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return f"is truncated or damaged ({path.stat().st_size:,} bytes; {reason}): {AGAIN}"


def _of_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rsplit("/", 1)[-1] for name in archive.namelist()}
    except zipfile.BadZipFile:
        return f"is truncated or damaged ({path.stat().st_size:,} bytes; its end is missing): {AGAIN}"
    if names >= KERAS_MEMBERS:
        return (
            "is a whole model of Keras (.keras), not its weights: load it with keras.saving.load_model and write "
            "model.save_weights('NAME.weights.h5') or model.save('NAME.h5')"
        )
    if TORCHSCRIPT_MEMBER in names:
        return (
            "is a TorchScript archive, which holds code: load it in an environment you trust with torch.jit.load and "
            "save model.state_dict()"
        )
    return ""
