"""An answer is remembered for exactly what it depends on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from extractors import batch_agreement
from extractors.batch_agreement import remembered

SETTINGS = ("Network", "bf16", 8)


def answers(*given: bool) -> Callable[[], bool]:
    """A test that may be run so many times."""
    left = list(given)
    return lambda: left.pop(0)


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_agreement, "cpu_name", lambda: "a processor")


@pytest.mark.parametrize("answer", [True, False])
def test_a_test_is_run_once(answer: bool, tmp_path: Path) -> None:
    assert remembered(answers(answer), SETTINGS, tmp_path) == answer
    assert remembered(answers(), SETTINGS, tmp_path) == answer
    assert remembered(answers(not answer), (*SETTINGS, "pca"), tmp_path) != answer


def test_whatever_may_change_the_answer_is_tested_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tests = answers(*[True] * 5)
    remembered(tests, SETTINGS, tmp_path)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    remembered(tests, SETTINGS, tmp_path)
    monkeypatch.setattr(torch, "__version__", "2.99")
    remembered(tests, SETTINGS, tmp_path)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    remembered(tests, SETTINGS, tmp_path)
    monkeypatch.setattr(batch_agreement, "cpu_name", lambda: "another processor")
    remembered(tests, SETTINGS, tmp_path)
    with pytest.raises(IndexError):
        tests()


def test_damaged_files_and_unknown_processors_are_no_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered(answers(True), SETTINGS, tmp_path)
    (file,) = (tmp_path / "batches").iterdir()
    for damage in ("", "1", "{"):
        file.write_text(damage)
        assert not remembered(answers(False), SETTINGS, tmp_path)
    monkeypatch.setattr(batch_agreement, "cpu_name", lambda: "")
    assert remembered(answers(True), SETTINGS, tmp_path)


def test_a_cache_that_cannot_be_written_to_costs_a_test(tmp_path: Path) -> None:
    (tmp_path / "batches").touch()
    for answer in (True, False):
        assert remembered(answers(answer), SETTINGS, tmp_path) == answer
