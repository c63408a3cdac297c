"""The child of `tests/cluster/engines/test_guarded_processes.py`: does what a request says."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, cast

from cluster.engines.guarded_processes import Response, serve
from cluster.engines.task_guard import verdict_file


def answer(request: bytes) -> Response:
    """Answer with the process id and the request, or misbehave."""
    match request.split():
        case [b"die"]:
            os._exit(1)
        case [b"hang"]:
            time.sleep(600)
        case [b"exceed", limit]:
            Path(verdict_file()).write_bytes(limit)  # as its watchdog does
            os.kill(os.getpid(), signal.SIGKILL)
        case [b"sleep", seconds]:
            time.sleep(float(seconds))
        case [b"list"]:
            return Response(cast(Any, [1, 2]))
        case [b"large", size]:
            return Response({}, bytes(int(size)))
        case [b"print"]:
            print("printed", flush=True)
            print("an error", file=sys.stderr, flush=True)
    return Response({"pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]}, request)


if __name__ == "__main__":
    serve(answer)
