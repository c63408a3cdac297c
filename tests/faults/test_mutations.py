"""Files that are damaged, or that claim what they do not hold, by the thousand: every id comes out once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.mutations import CLIPS, Mutation, claiming, damaged, extract_mutations

COPIES = 2_000
FUZZED = 5_000  # of each kind
RAY = ("--engine", "ray", "--time-limit", "60")
MUTATIONS = pytest.mark.parametrize("mutation", [damaged, claiming])


@MUTATIONS
def test_through_the_local_engine(mutation: Mutation, tmp_path: Path) -> None:
    assert extract_mutations(tmp_path, mutation, len(CLIPS), 1, "--engine", "local")["whole"] > 0


@pytest.mark.heavy
@MUTATIONS
def test_two_thousand_through_ray(mutation: Mutation, tmp_path: Path) -> None:
    outcome = extract_mutations(tmp_path, mutation, COPIES, 0, *RAY)
    assert outcome["whole"] > COPIES / 10
    assert outcome["partial"] > 0


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
@MUTATIONS
def test_thousands_of_another_seed(mutation: Mutation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = extract_mutations(tmp_path, mutation, FUZZED, 2, *RAY)
    with capsys.disabled():
        print(f"\n{FUZZED} {mutation.__name__} files: {dict(outcome.most_common())}")
    assert outcome["whole"] > FUZZED / 10
