"""How long a stream network takes to notice that another action has begun, with and without `--memory-seconds`.

    python benchmarks/forgetting.py CHECKPOINT [--minutes 1 10] [--memory-seconds 10 60] [--scenes 1] [--json FILE]

CHECKPOINT has been trained on the classes of `generated_motions`. Videos show one motion for so many minutes, and then
another for twice as long; `jobs/score_videos.py --timeline` scores them. Prints the seconds from the change to the
first step from which on the best class is the new one, the median and the slowest of all scenes and pairs of classes,
and how many steps before the change have the right class.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generated_motions import draw_turns, write_motions
from benchmarks.measure import write_json
from cluster.scoring.config import ScoringOptions
from cluster.scoring.job import score_videos

PAIRS = (("right", "left"), ("left", "right"), ("grow", "right"), ("left", "shrink"))
SIZE = 48
DAY = "2026-01-01"


@dataclass(frozen=True)
class Delay:
    """From the change in a video to the step from which on its best class is the new one; None for never.

    right  fraction of the steps before the change with the first class
    """

    pair: tuple[str, str]
    seconds: float | None
    right: float


def write_changes(folder: Path, minutes: int, scenes: int) -> dict[str, tuple[str, str]]:
    """Write the videos of so many scenes; returns their pairs by id."""
    pairs = {}
    for scene in range(scenes):
        turns = draw_turns((1, 9, scene), "test", SIZE)
        for number, (first, second) in enumerate(PAIRS):
            name = f"{scene}-{number}"
            write_motions(folder / f"{name}.mp4", turns, [(first, 60 * minutes), (second, 120 * minutes)])
            pairs[name] = first, second
    return pairs


def delays(
    videos: Path, pairs: dict[str, tuple[str, str]], checkpoint: str, change: int, memory: float | None
) -> list[Delay]:
    """Score the videos, whose action changes at second `change`."""
    with tempfile.TemporaryDirectory() as labels:
        options = ScoringOptions.of(
            checkpoint=(checkpoint,),
            labels=labels,
            videos=str(videos),
            date=DAY,
            timeline=True,
            timeline_top_k=1,
            memory_seconds=memory,
            engine="local",
            quiet=True,
        )
        score_videos(options.settings())
        rows = [row for path in Path(labels).glob(f"date={DAY}/*.parquet") for row in pq.read_table(path).to_pylist()]
        names = {label["index"]: label["name"] for row in rows for label in row["labels"]}
    found = []
    for row in rows:
        first, second = pairs[row["id"]]
        best = [names[step["index"]] for step in row["timeline"]]
        wrong = [number for number, name in enumerate(best) if number >= change and name != second]
        noticed = max(wrong, default=change - 1) + 1
        right = float(np.mean([name == first for name in best[:change]]))
        found.append(Delay((first, second), None if noticed == len(best) else float(noticed - change), right))
    return found


def described(found: Sequence[Delay]) -> str:
    """Median and slowest, and how often the first action was seen."""
    seconds = sorted(float("inf") if one.seconds is None else one.seconds for one in found)
    right = np.mean([one.right for one in found])
    return (
        f"{median(seconds):6.0f} s, slowest {seconds[-1]:6.0f} s; before the change {right:.1%} of the steps are right"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--minutes", type=int, nargs="+", default=(1, 10))
    parser.add_argument("--memory-seconds", type=float, nargs="+", default=(10.0, 60.0))
    parser.add_argument("--scenes", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results: dict[str, object] = {}
    for minutes in arguments.minutes:
        with tempfile.TemporaryDirectory() as folder:
            pairs = write_changes(Path(folder), minutes, arguments.scenes)
            for memory in (None, *arguments.memory_seconds):
                found = delays(Path(folder), pairs, arguments.checkpoint, 60 * minutes, memory)
                name = f"{minutes} minutes, memory {'of all frames' if memory is None else f'{memory:g} s'}"
                print(f"{name:34}: {described(found)}", flush=True)
                results[name] = [asdict(one) for one in found]
    write_json(arguments.json, results)


if __name__ == "__main__":
    main()
