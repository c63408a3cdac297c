"""The conversion itself, which takes an environment of its own: up to a minute of CPU time for each network."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from classifiers.clip_models.registry import clip_model_names
from classifiers.export.agreement import excess, random_check
from classifiers.export.form import described, form_of
from classifiers.export.litert_converter import ConversionError, converter_of
from classifiers.export.litert_file import finished
from classifiers.export.litert_session import LiteRtSession
from classifiers.inference.clip_classifier import clip_model_of
from tests.classifiers.clip_models.test_registry import small_options
from tests.support.exports import coarse

PYTHON = os.environ.get("FRAMEMILL_LITERT_PYTHON", "")

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(
        not PYTHON,
        reason="FRAMEMILL_LITERT_PYTHON must name a Python with classifiers/export/litert_requirements.txt",
    ),
]


# These have positions of frames in float64, for which LiteRT lacks operators.
WITH_POSITIONS = ("movinet-a3-stream", "movinet-a4-stream", "movinet-a5-stream")


@pytest.mark.parametrize("name", [name for name in clip_model_names() if name not in WITH_POSITIONS])
def test_every_network_is_the_same_in_litert(name: str, tmp_path: Path) -> None:
    checkpoint = coarse(name, small_options(name))
    network, versions = converter_of(PYTHON, tmp_path, install=False).network_file(checkpoint)
    form = form_of(clip_model_of(checkpoint))
    exported = described(form, checkpoint.config, precision="fp32", quantization={}, versions=versions)
    content = finished(network, form, replace(exported, videos=1, frames=1 if form.state else None))
    assert excess(random_check(form, LiteRtSession(content)), "fp32", 1.0) == []


@pytest.mark.parametrize("name", WITH_POSITIONS)
def test_a_network_that_litert_cannot_run_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="cannot be converted to LiteRT"):
        converter_of(PYTHON, tmp_path, install=False).network_file(coarse(name, small_options(name)))
