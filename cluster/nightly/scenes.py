"""Where a video shows what its label says: at the strongest step of the strongest event of its first label.

In: batches of label rows with timelines and events (`schemas.timelines`). Out: seconds after the first frame, by id.
Memory holds one batch and the videos that are shown.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Scenes:
    """The middle of that step, in timelines with steps of `step_seconds`; videos without such an event have none."""

    def __init__(self, step_seconds: float) -> None:
        self._step_seconds = step_seconds
        self.seconds: dict[str, float] = {}

    def add(self, batch: pa.RecordBatch, shown: Collection[str]) -> None:
        """Look at those rows of a batch that are `shown`, and forget videos of earlier batches that no longer are."""
        self.seconds = {name: seconds for name, seconds in self.seconds.items() if name in shown}
        rows = pc.is_in(batch.column("id"), pa.array(shown, pa.string())).to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(rows).tolist():
            seconds = self._scene(batch.slice(row, 1))
            if seconds is not None:
                self.seconds[batch.column("id")[row].as_py()] = seconds

    def _scene(self, row: pa.RecordBatch) -> float | None:
        labels, events = row.column("labels")[0].as_py(), row.column("events")[0].as_py()
        own = [event for event in events if labels and event["index"] == labels[0]["index"]]
        if not own:
            return None
        strongest = max(own, key=lambda event: event["score"])
        steps = row.column("timeline").flatten()
        seconds, indices, scores = (steps.field(name).to_numpy() for name in ("seconds", "index", "score"))
        is_inside = (indices == strongest["index"]) & (strongest["start"] <= seconds) & (seconds < strongest["end"])
        if not is_inside.any():  # its class is not among the best ones of a step
            return float(strongest["start"] + strongest["end"]) / 2
        return float(seconds[np.where(is_inside, scores, -1).argmax()]) + self._step_seconds / 2
