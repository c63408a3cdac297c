"""Options that do not go together are refused, each with its reason."""

from __future__ import annotations

from fractions import Fraction

import pytest

from cluster.cutting.config import CuttingOptions
from schemas.errors import InputError

PLACES = {"annotations": "a", "videos": "v", "output": "o.csv"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"cut": "exact"}, "--cut goes with --clips"),
        ({"clips": "c"}, "--clips goes with --cut exact or --cut keyframes"),
        ({"cut": "keyframes", "clips": "c", "crf": 3}, "--crf goes with --cut exact: keyframes copies what is there"),
        ({"without_sound": True}, "--without-sound goes with --cut"),
        ({"record_size": 100}, "--record-size goes with --tfrecords"),
        ({"cut": "exact", "clips": "c/", "tfrecords": "c"}, "clips and tfrecords must be two places, not both 'c/'"),
        ({"cut": "exact", "clips": "c/", "output": "./c/clips.csv"}, "give --output another name or folder"),
        (
            {"cut": "exact", "clips": "s3://b/c/", "output": "s3://b/c/clips.csv"},
            "give --output another name or folder",
        ),
        ({"videos": None}, "--videos is required, unless --from-tfrecords is given"),
        ({"frame_rate": "0"}, "frame-rate must be a number or a fraction above 0, not '0'"),
        ({"output": "o.txt"}, "output must be a file name that ends in .csv"),
        ({"engine": "beam"}, "engine is one of ray, local, not 'beam'"),
    ],
)
def test_problems_name_the_option(given: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        CuttingOptions.of(**{**PLACES, **given})
    assert any(problem in line for line in caught.value.problems), caught.value.problems


def test_records_stand_in_place_of_annotations() -> None:
    with pytest.raises(InputError) as caught:
        CuttingOptions.of(**PLACES, from_tfrecords="t")
    assert caught.value.problems == (
        "--annotations does not go with --from-tfrecords",
        "--videos does not go with --from-tfrecords",
        "--from-tfrecords needs --cut exact and --clips, where the files go",
    )
    assert CuttingOptions.of(output="o.csv", from_tfrecords="t", cut="exact", clips="c").annotations is None


def test_both_manifests_may_lie_in_one_folder() -> None:
    assert CuttingOptions.of(**{**PLACES, "output": "c/sources.csv"}, cut="exact", clips="c").clips == "c"


def test_a_rate_is_a_fraction() -> None:
    assert CuttingOptions.of(**PLACES, frame_rate="30000/1001").reading.rate == Fraction(30_000, 1001)
