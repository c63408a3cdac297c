from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from extractors.weights.archive import ArchiveError
from extractors.weights.content import WeightsError
from extractors.weights.tensorflowjs_package import read_package_model
from schemas.budget import weights_budget
from tests.support.npm_package import AFTER, BEFORE, FOLDER, package_bytes

QUANTIZED = {"dtype": "uint8", "min": 0.0, "scale": 1.0}
SPEC = {"name": "dense_1/bias", "shape": [3], "dtype": "float32"}
ARRAYS = {
    "conv2d_1/kernel": torch.linspace(-0.5, 0.25, 24).reshape(2, 3, 4, 1),
    "dense_1/bias": torch.tensor([0.0, 3.0, -7.0]),
}


def read(folder: Path, content: bytes) -> dict[str, torch.Tensor]:
    package = folder / "p-1.0.0.tgz"
    package.write_bytes(content)
    return read_package_model(package, FOLDER, weights_budget())


def test_arrays_are_those_of_the_modules(tmp_path: Path) -> None:
    found = read(tmp_path, package_bytes(ARRAYS))
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].shape == array.shape
        assert (found[name] - array).abs().max() <= (array.max() - array.min()) / 255 * 0.51


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "hello()"}, r"model\.min\.js is no module that exports a value"),
        ({"model": f"{BEFORE}{{a:b}}{AFTER}"}, "exports what is no plain value"),
        ({"model": f"{BEFORE}{{a:{'9' * 5000}}}{AFTER}"}, "exports what is no plain value"),
        ({"model": f"{BEFORE}{{a:1}}{AFTER}"}, r"does not describe a layers model: KeyError\('weightsManifest'\)"),
        ({"model": f'{BEFORE}{{weightsManifest:[{{paths:["../a"]}}]}}{AFTER}'}, r"names shards that cannot be: \.\./a"),
        ({"group1": f'{BEFORE}"no base64!"{AFTER}'}, r"shard group1-shard1of2\.min\.js exports no base64"),
        ({"group1": f"{BEFORE}{{}}{AFTER}"}, r"shard group1-shard1of2\.min\.js exports no base64"),
        ({"group1": f'{BEFORE}"AAAA"{AFTER}'}, r"its shards have 6 bytes, their arrays 27"),
    ],
)
def test_what_is_no_such_package_is_refused(changes: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=message):
        read(tmp_path, package_bytes(ARRAYS, **changes))


@pytest.mark.parametrize("text", ["a" * 4_000_000, '"' + '\\"' * 2_000_000, "-" * 4_000_000, '"' * 4_000_001 + "\\"])
@pytest.mark.timeout(60)
def test_no_text_takes_more_than_a_look_at_each_character(text: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="exports what is no plain value"):
        read(tmp_path, package_bytes(ARRAYS, model=f"{BEFORE}{{{text}}}{AFTER}"))


def test_a_scale_that_is_no_number_is_refused(tmp_path: Path) -> None:
    spec = SPEC | {"quantization": {**QUANTIZED, "scale": "abc"}}
    model = {"weightsManifest": [{"paths": ["group1-shard1of2"], "weights": [spec]}]}
    text = f"{BEFORE}{json.dumps(model)}{AFTER}"
    with pytest.raises(WeightsError, match=r"is not the description of a layers model: ValueError"):
        read(tmp_path, package_bytes(ARRAYS, model=text, group1=f'{BEFORE}"AAAA"{AFTER}'))


def test_a_damaged_package_and_one_without_the_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot read"):
        read(tmp_path, package_bytes(ARRAYS)[:200])
    (tmp_path / "p.tgz").write_bytes(package_bytes(ARRAYS))
    with pytest.raises(ArchiveError, match=r"lacks elsewhere/model\.min\.js"):
        read_package_model(tmp_path / "p.tgz", "elsewhere", weights_budget())
