"""Runs a job as `python` would, with label shards of a single video: `python small_portions.py jobs/nightly.py …`."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cluster.scoring.config import ROWS_PER_SHARD

ROWS_PER_SHARD.update(dict.fromkeys(ROWS_PER_SHARD, 1))
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
