"""Running a network over a fixed input buffer, so that a row's result does not depend on its batch.

In: rows written into `buffer` (B, …). Out: float32 (rows, D) for the first `rows` of them.

- On the CPU a short batch runs as it is where that gives the same bits as a full one, which is tried out once at the
  start; else the whole buffer always runs, and the rows beyond are thrown away.
- On CUDA the whole buffer always runs, as one captured graph: one launch instead of some three hundred, and one set of
  kernels whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP_RUNS = 3
TRIED_ROWS = (1, 3)


class BatchRunner:
    """A network over a buffer of B rows; `prepare` once, then fill `buffer` and `run`."""

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        *,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.forward = forward
        self.buffer = torch.zeros(shape, dtype=dtype, device=device)
        self.runs_full = device.type == "cuda"
        self.graph: torch.cuda.CUDAGraph | None = None
        self.output = torch.empty(0)

    @property
    def rows(self) -> int:
        """The size B of the buffer."""
        return self.buffer.shape[0]

    def prepare(self) -> None:
        """Warm up: capture the graph on CUDA; on the CPU try out whether short batches give the same bits."""
        if self.buffer.device.type == "cuda":
            self._capture()
        else:
            self.runs_full = not self._short_batches_agree()

    def run(self, rows: int) -> Tensor:
        """Results (rows, D) for the first `rows` of the buffer, in memory of their own."""
        if self.graph is not None:
            self.graph.replay()
            return self.output[:rows].clone()
        if self.runs_full:
            return self.forward(self.buffer)[:rows]
        return self.forward(self.buffer[:rows])

    def _short_batches_agree(self) -> bool:
        """Whether a row gives the same bits in a full batch, among few and alone."""
        noise = torch.rand(self.buffer.shape, generator=torch.Generator().manual_seed(0))
        rows = noise.mul_(2.0).sub_(1.0).to(self.buffer.dtype)
        full = self.forward(rows)
        last = self.rows - 1
        return all(
            torch.equal(self.forward(rows[last + 1 - count :]), full[last + 1 - count :])
            for count in TRIED_ROWS
            if count < self.rows
        )

    def _capture(self) -> None:
        """Record one pass over the buffer as a CUDA graph, after warming up on a side stream as capturing demands."""
        device = self.buffer.device
        side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_RUNS):
                self.forward(self.buffer)
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.output = self.forward(self.buffer)
        self.graph = graph
