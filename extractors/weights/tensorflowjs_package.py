"""Layers models of TensorFlow.js in packages of npm, as `npm pack` brings them, to arrays by name.

In: a .tgz that may be untrusted, and a folder in it with `model.min.js` and shards such as `group1-shard1of6.min.js`.
Out: {name: float32 tensor}, as of `tensorflowjs_files`.

Such a file is a module of JavaScript that exports one value: the description of the model, or a shard in base64. No
code is run: the literal after `.exports=` is read, once names of fields have quotes, and `!0`, `!1` and numbers such as
`.5` are written as JSON writes them.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from extractors.weights.archive import read_members
from extractors.weights.content import WeightsError
from extractors.weights.tensorflowjs_files import MAX_JSON_BYTES, MODEL_FILE, read_layers_model
from schemas.budget import Budget

MODULE = ".min.js"
MODEL_MODULE = f"model{MODULE}"
MAX_SHARDS = 100
EXPORTED = re.compile(r'\.exports=(?=[{"])')
# A text, which stays as it is, also one without an end; a word, which is the name of a field before a colon; true or
# false; a number without its zero. A token that has begun goes to its end, so that no character is looked at twice.
TOKEN = re.compile(
    r'"(?:[^"\\]++|\\[\s\S])*+"?|(?P<word>[A-Za-z_$][\w$]*+)(?P<colon>(?=:))?|!(?P<truth>[01])'
    r"|(?<!\d)(?P<sign>-?)\.(?=\d)"
)


def read_package_model(package: Path, folder: str, budget: Budget) -> dict[str, Tensor]:
    """All arrays of the model in `folder` of the package.

    Raises:
        WeightsError: if a module is missing, exports nothing that can be read, or as of `read_layers_model`.
        extractors.weights.archive.ArchiveError: if the package is damaged, too large, or lacks the model.
        BudgetError: if it claims more than the budget.
    """
    (description,) = _modules(package, [f"{folder}/{MODEL_MODULE}"], budget)
    Budget(MAX_JSON_BYTES, "it describes a network").allow(MODEL_MODULE, len(description))
    model = _exported(MODEL_MODULE, TOKEN.sub(_as_json, description))
    try:
        names = [str(name) for group in model["weightsManifest"] for name in group["paths"]]
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{MODEL_MODULE} does not describe a layers model: {error!r}") from error
    if len(names) > MAX_SHARDS or not all(re.fullmatch(r"[\w-]+", name) for name in names):
        raise WeightsError(f"{MODEL_MODULE} names shards that cannot be: {', '.join(names[:3])}")
    modules = _modules(package, [f"{folder}/{name}{MODULE}" for name in names], budget)
    with TemporaryDirectory() as unpacked:
        (Path(unpacked) / MODEL_FILE).write_text(json.dumps(model))
        for name, text in zip(names, modules, strict=True):
            try:
                (Path(unpacked) / name).write_bytes(base64.b64decode(_exported(name, text), validate=True))
            except (binascii.Error, TypeError, ValueError) as error:
                raise WeightsError(f"shard {name}{MODULE} exports no base64: {error}") from error
        return read_layers_model(Path(unpacked), budget)


def _modules(package: Path, names: list[str], budget: Budget) -> list[str]:
    contents = read_members(package, names, limit_bytes=budget.limit_bytes)
    return [contents[name].decode("utf-8", "replace") for name in names]


def _exported(name: str, text: str) -> Any:
    """The value that a module exports, in the notation of JSON."""
    start = EXPORTED.search(text)
    try:
        if start is not None:
            return json.JSONDecoder().raw_decode(text, start.end())[0]
    except (ValueError, RecursionError) as error:  # numbers of too many digits among them
        raise WeightsError(f"{name} exports what is no plain value: {error}") from error
    raise WeightsError(f"{name} is no module that exports a value")


def _as_json(token: re.Match[str]) -> str:
    if token["word"] and token["colon"] is not None:
        return f'"{token["word"]}"'
    if token["truth"]:
        return "false" if token["truth"] == "1" else "true"
    return token[0] if token["sign"] is None else f"{token['sign']}0."
