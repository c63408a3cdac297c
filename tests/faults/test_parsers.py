"""Our own parsers read or refuse whatever they are given: hundreds of changed inputs, and a minute of a fuzzer each."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tests.support.damage import cut, flip, splice
from tests.support.parsers import PARSERS

CASES = 300
FUZZ_SECONDS = 60
NAMES = pytest.mark.parametrize("name", PARSERS)


@NAMES
def test_the_seeds_are_read(name: str) -> None:
    for seed in PARSERS[name].seeds():
        PARSERS[name].read(seed)


@NAMES
def test_changed_seeds_are_read_or_refused(name: str) -> None:
    parser = PARSERS[name]
    rng = np.random.default_rng(0)
    for seed in parser.seeds():
        for case in range(CASES):
            parser((flip, cut, splice)[case % 3](seed, rng))


@pytest.mark.fuzz
@NAMES
def test_for_a_minute(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "tests.support.parsers", name, str(FUZZ_SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    said = done.stderr.splitlines()
    assert done.returncode == 0, "\n".join(said[-60:])
    with capsys.disabled():
        print(f"\n{name}: {said[-1]}")
