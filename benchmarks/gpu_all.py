"""Everything that a GPU is measured for, in one run of at most nine minutes.

    PYTHONPATH=. python benchmarks/gpu_all.py [--parts NAME …] [--json FILE]
    python benchmarks/gpu_all.py --toy        # on a CPU, with few items at a time: whether the script runs

Each part has a budget of seconds. It yields its rows in the order of their worth and is stopped where the budget ends;
the figures are written after every part, so that a run that is cut off keeps what it has. A part that fails, such as
for a package that is not installed, has the error as its row, and the next one follows. Besides torch, all parts but
`engine` need numpy and safetensors alone. Weights are random; a toy's networks of clips are small, those of frames and
sound are not. Shares of the peak are those of the best bf16 matrix product, measured in the same run.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from benchmarks.gpu_bench import Bench, Row
from benchmarks.gpu_clips import clip_agreement_rows, clip_rows, training_step_rows
from benchmarks.gpu_engine import engine_rows
from benchmarks.gpu_networks import compiled_rows, inception_rows, vggish_rows
from benchmarks.gpu_paths import agreement_rows, copy_rows, frame_path_rows, sound_path_rows
from benchmarks.gpu_streams import lip_rows, stream_rows
from benchmarks.gpu_training import training_rows
from benchmarks.measure import write_json

TARGET_FRAMES_PER_SECOND = 15_000  # of Inception, on one H200
LIMIT_SECONDS = 525  # nine minutes, less what Python takes to start and to end
SECONDS, TOY_SECONDS = 0.5, 0.001  # on each figure


class BudgetError(Exception):
    """The budget of a part has ended."""


@dataclass(frozen=True)
class Part:
    """A part: its rows, and the seconds that it may take. Those of all together are below the limit."""

    rows: Callable[[Bench], Iterator[Row]]
    budget_seconds: float


PARTS: dict[str, Part] = {
    "inception": Part(inception_rows, 75),
    "frame_path": Part(frame_path_rows, 25),
    "agreement": Part(agreement_rows, 25),
    "training": Part(training_rows, 60),
    "clips": Part(clip_rows, 75),
    "training_steps": Part(training_step_rows, 45),
    "streams": Part(stream_rows, 30),
    "lips": Part(lip_rows, 15),
    "vggish": Part(vggish_rows, 15),
    "sound_path": Part(sound_path_rows, 10),
    "copies": Part(copy_rows, 5),
    "clip_agreement": Part(clip_agreement_rows, 25),
    "engine": Part(engine_rows, 60),
    "compiled": Part(compiled_rows, 50),
}


def shown(row: Row) -> str:
    """The row on a line."""
    return "  ".join(
        f"{name} {value:,.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
    )


def run_part(name: str, part: Part, bench: Bench, budget_seconds: float) -> list[Row]:
    """The rows of a part, printed as they come, until `budget_seconds` are over."""
    rows: list[Row] = []
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, budget_seconds)
    try:
        for row in part.rows(bench):
            rows.append(row)
            print(f"{name}: {shown(row)}", flush=True)
    except BudgetError:
        rows.append({"stopped_after_seconds": time.monotonic() - started})
        print(f"{name}: stopped after {budget_seconds:.0f} s", flush=True)
    except Exception as error:  # the other parts do not depend on it
        traceback.print_exc()
        rows.append({"error": f"{type(error).__name__}: {error}"})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if bench.is_cuda:
            torch.cuda.empty_cache()
    return rows


def best_rate(parts: dict[str, list[Row]]) -> tuple[float, float]:
    """Frames/s of the fastest form of Inception in a reduced precision, and its share of the peak."""
    rows = [row for name in ("inception", "compiled") for row in parts.get(name, []) if "of_peak" in row]
    return max(
        ((row["items_per_second"], row["of_peak"]) for row in rows if row["precision"] != "fp32"), default=(0, 0)
    )


def _over(number: int, frame: FrameType | None) -> None:
    raise BudgetError


def main() -> int:
    """Measure, print and write; returns 1 if a part has failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--toy", action="store_true", help="few items at a time on the CPU, without budgets")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--json", type=Path, help="where to write the figures, after every part")
    arguments = parser.parse_args()
    if not arguments.toy and not torch.cuda.is_available():
        sys.exit(f"torch {torch.__version__} sees no CUDA device here; --toy tries the script out on the CPU")
    started = time.monotonic()
    signal.signal(signal.SIGALRM, _over)
    device = torch.device("cpu" if arguments.toy else "cuda")
    bench = Bench(device, TOY_SECONDS if arguments.toy else SECONDS, is_toy=arguments.toy)
    if arguments.toy:
        torch.set_num_threads(1)
    with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):  # as embedders
        name = torch.cuda.get_device_name(device) if bench.is_cuda else "CPU"
        print(f"{name}, torch {torch.__version__}: bf16 matrix product {bench.peak / 1e12:.1f} TFLOP/s", flush=True)
        parts: dict[str, list[Row]] = {}
        figures: dict[str, Any] = {"device": name, "torch": torch.__version__, "peak_flops": bench.peak, "parts": parts}
        for each in arguments.parts:
            left = math.inf if arguments.toy else LIMIT_SECONDS - (time.monotonic() - started)
            budget = min(PARTS[each].budget_seconds, left)
            if budget <= 0:
                parts[each] = [{"stopped_after_seconds": 0.0}]
                continue
            parts[each] = run_part(each, PARTS[each], bench, 0 if arguments.toy else budget)
            figures["seconds"] = time.monotonic() - started
            write_json(arguments.json, figures)
    rate, share = best_rate(parts)
    verdict = "reached" if rate >= TARGET_FRAMES_PER_SECOND else "missed"
    print(f"Inception: {rate:,.0f} frames/s, {share:.1%} of the peak; {TARGET_FRAMES_PER_SECOND:,} {verdict}")
    return int(any("error" in row and len(row) == 1 for rows in parts.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main())
