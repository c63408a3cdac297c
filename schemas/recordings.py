"""Recordings of live views: one Parquet file each, with the top classes of every look of the network.

    time     when the frame was on screen, by the clock of the machine
    seconds  of the view, from its first frame on; a file's own time, turns of a loop one after the other
    index    of a class in the labels of the data set
    name     of the class
    score    its probability

The rows of a look are together, the highest score first; looks are in the order of time. What the view was, and what it
missed, is in the file's metadata: JSON, under `VIEW_KEY`.
"""

from __future__ import annotations

import pyarrow as pa

RECORDING_SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
    ]
)
VIEW_KEY = "framemill.view"
