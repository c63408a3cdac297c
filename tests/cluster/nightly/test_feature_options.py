"""Options of features: those of an extraction, by default as in the dataset, and nothing without features."""

from __future__ import annotations

import pytest

from cluster.extraction.config import NetworkOptions, SamplingOptions
from cluster.nightly.config import NightlyOptions
from cluster.nightly.feature_options import NightlyNetworkOptions, NightlySamplingOptions
from cluster.runs.command_line import parse
from cluster.runs.options import Options, options_of
from schemas.errors import InputError

VIDEOS = ["--videos", "in", "--checkpoint", "c", "--labels", "l"]
PLACES = [*VIDEOS, "--features", "f"]


@pytest.mark.parametrize(
    ("group", "original"), [(NightlySamplingOptions, SamplingOptions), (NightlyNetworkOptions, NetworkOptions)]
)
def test_they_are_those_of_an_extraction_without_its_defaults(group: type[Options], original: type[Options]) -> None:
    ours, theirs = options_of(group), options_of(original)
    assert list(ours) == list(theirs)
    for name, option in ours.items():
        assert option.default is None
        assert option.rule.help == f"{theirs[name].rule.help}; by default as in the feature dataset"
        assert (option.rule.choices, option.rule.minimum) == (theirs[name].rule.choices, theirs[name].rule.minimum)


def test_options_of_features_go_with_features() -> None:
    options = ["--fps", "2", "--frame-features", "--weights", "random:0", "--precision", "fp32"]
    parse(NightlyOptions, [*PLACES, *options])
    with pytest.raises(InputError) as error:
        parse(NightlyOptions, [*VIDEOS, *options])
    for name in ("fps", "frame-features", "weights", "precision"):
        assert f"--{name} goes with --features" in str(error.value)
