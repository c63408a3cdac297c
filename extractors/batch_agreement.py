"""Whether short batches give the bits of full ones (`networks.batch_runner`), remembered on this machine.

To test it takes a second for each process. The answer follows from what is computed (the caller's settings), from
torch, the processor, the number of threads, and the environment that steers torch's libraries: all of these are the
key. The answer is a file in the cache; where that cannot be written to, each process tests for itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from extractors.networks.cpu_precision import cpu_name
from extractors.weights.resolve import default_cache_dir
from extractors.weights.whole_file import written_whole

STEERING = ("ATEN_", "DNNL_", "KMP_", "MKL_", "OMP_", "ONEDNN_", "TORCH_")  # what such variables begin with


def remembered(test: Callable[[], bool], settings: Sequence[object], cache_dir: Path | None = None) -> bool:
    """The answer of an earlier `test` with these settings, or else of this one. Without a known processor it tests."""
    key = key_of(settings)
    if not key:
        return test()
    name = hashlib.sha256(key.encode()).hexdigest()[:32]
    path = (cache_dir or default_cache_dir()) / "batches" / f"{name}.json"
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(path.read_text())
        if isinstance(known, bool):
            return known
    answer = test()
    with contextlib.suppress(OSError), written_whole(path) as part:
        part.write_text(json.dumps(answer))
    return answer


def key_of(settings: Sequence[object]) -> str:
    """What the answer depends on; empty where the system does not tell its processor."""
    environment = sorted(item for item in os.environ.items() if item[0].startswith(STEERING))
    cpu = cpu_name()
    return repr((*settings, torch.__version__, cpu, torch.get_num_threads(), environment)) if cpu else ""
