"""The table of MoViNet's sizes is complete and well-formed; `test_registry` checks the parameter counts."""

from __future__ import annotations

import re

import pytest

from classifiers.clip_models.movinet import divisible
from classifiers.clip_models.movinet_variants import VARIANTS
from classifiers.clip_models.registry import clip_model_entry


@pytest.mark.parametrize("name", VARIANTS)
def test_rows_are_well_formed(name: str) -> None:
    variant = VARIANTS[name]
    assert len(variant.channels) == len(variant.blocks) == 5
    assert variant.resize > variant.size
    for channels, group in zip(variant.channels, variant.blocks, strict=True):
        assert channels == divisible(channels)
        for block in group.split():
            match = re.fullmatch(r"([135])([35])\2:(\d+)", block)
            assert match, block
            expanded = int(match[3])
            assert expanded == divisible(expanded)
            assert 1 <= expanded / channels <= 5
    assert variant.last == divisible(variant.last)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_registered_model_has_the_size_and_ten_seconds(name: str) -> None:
    variant, form = VARIANTS[name], clip_model_entry(f"movinet-{name}").config.clip_format()
    assert (form.height, form.width, form.resize) == (variant.size, variant.size, (variant.resize,))
    assert (form.fps, form.frames) == (str(variant.fps), 10 * variant.fps)


def test_sizes_grow_from_a0_to_a5() -> None:
    variants = list(VARIANTS.values())
    assert list(VARIANTS) == [f"a{number}" for number in range(6)]
    assert [variant.size for variant in variants] == sorted(variant.size for variant in variants)
    depths = [sum(len(group.split()) for group in variant.blocks) for variant in variants]
    assert depths == sorted(depths)
