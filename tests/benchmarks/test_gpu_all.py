import json
import signal
import subprocess
import sys
import time

import pytest
import torch

from benchmarks import gpu_all
from benchmarks.gpu_all import PARTS, BudgetError, Part, best_rate, run_part
from benchmarks.gpu_bench import Bench
from benchmarks.gpu_clips import FAMILIES, flops_per_clip
from benchmarks.gpu_training import KINDS
from tests.support.dataset import ROOT

TOY = Bench(torch.device("cpu"), 0.0, is_toy=True)


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["gpu_all.py", *arguments])
    return gpu_all.main()


@pytest.mark.heavy
def test_the_whole_script_runs_on_a_cpu(monkeypatch, tmp_path, capsys):
    path = tmp_path / "figures.json"
    assert run(monkeypatch, "--toy", "--json", str(path)) == 0
    parts = json.loads(path.read_text())["parts"]
    assert list(parts) == list(PARTS)
    assert not [row for rows in parts.values() for row in rows if "error" in row]
    assert {row["model"] for row in parts["clips"]} == set(FAMILIES)
    assert {row["model"] for row in parts["training"]} == set(KINDS)
    assert all(row["limited_by"] for row in parts["frame_path"])
    (exact,) = (row for row in parts["agreement"] if (row["network"], row["precision"]) == ("Inception", "fp32"))
    assert exact["relative_rms"] < 1e-5
    assert "15,000 missed" in capsys.readouterr().out


def test_it_needs_few_packages():
    absent = ("av", "fsspec", "h5py", "onnx", "PIL", "pyarrow", "ray")
    code = f"import sys; sys.modules |= dict.fromkeys({absent}); import benchmarks.gpu_all"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300, cwd=ROOT)


def test_budgets_are_within_nine_minutes():
    assert sum(part.budget_seconds for part in PARTS.values()) <= gpu_all.LIMIT_SECONDS


def test_without_cuda_the_error_suggests_a_toy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="sees no CUDA device here; --toy"):
        run(monkeypatch)


def test_a_part_keeps_its_rows_where_its_budget_ends():
    def rows(bench):
        yield {"first": 1.0}
        time.sleep(30)

    def over(number, frame):
        raise BudgetError

    before = signal.signal(signal.SIGALRM, over)
    try:
        found = run_part("slow", Part(rows, 0.2), TOY, 0.2)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert found[0] == {"first": 1.0}
    assert 0.1 < found[1]["stopped_after_seconds"] < 10


def test_a_part_that_fails_leaves_the_others(monkeypatch, tmp_path):
    def rows(bench):
        yield {"first": 1.0}
        raise ModuleNotFoundError("no av")

    monkeypatch.setattr(gpu_all, "PARTS", {"broken": Part(rows, 1), "whole": Part(lambda bench: iter([{"a": 1}]), 1)})
    path = tmp_path / "figures.json"
    assert run(monkeypatch, "--toy", "--json", str(path)) == 1
    parts = json.loads(path.read_text())["parts"]
    assert parts == {"broken": [{"first": 1.0}, {"error": "ModuleNotFoundError: no av"}], "whole": [{"a": 1}]}


def test_a_call_that_fails_is_a_row():
    def make():
        raise torch.OutOfMemoryError("CUDA out of memory\nmore")

    assert TOY.figures(1, 0, make) == {"error": "CUDA out of memory"}


def test_the_best_rate_is_of_a_reduced_precision():
    rows = [
        {"precision": "fp32", "items_per_second": 9.0, "of_peak": 0.9},
        {"precision": "bf16", "items_per_second": 5.0, "of_peak": 0.5},
        {"precision": "fp16", "error": "no such kernel"},
    ]
    assert best_rate({"inception": rows}) == (5.0, 0.5)
    assert best_rate({}) == (0, 0)


def test_a_training_step_counts_both_passes():
    # A backward pass takes twice a forward pass, less the gradient of the first layer's input.
    forward, both = (flops_per_clip("r3d-18", TOY, training=training) for training in (False, True))
    assert 2.5 < both / forward <= 3
