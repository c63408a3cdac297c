"""Batched inference over a fixed input buffer: the result of a row does not depend on its batch.

In: rows written into `buffer` (B, …). Out: float32 (rows, D) for the first `rows` of them.

- On the CPU a short batch runs as it is if that gives the same bits as a full one, which is tested once at the start;
  otherwise the whole buffer always runs, and the surplus results are discarded.
- On CUDA the whole buffer always runs, as one captured graph: one launch instead of about 300, and the same kernels
  whatever the number of rows. Runs are queued; the host is at most `RUNS_AHEAD` of them ahead, which bounds the memory
  of the inputs in flight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

WARM_UP_RUNS = 3
RUNS_AHEAD = 2
TESTED_ROWS = (1, 3)


class BatchRunner:
    """A network with a buffer of B rows: `prepare` once, then fill `buffer` and `run`."""

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
        self._ends: deque[torch.cuda.Event] = deque()

    @property
    def rows(self) -> int:
        """B, the number of rows of the buffer."""
        return self.buffer.shape[0]

    def prepare(self, asked: Callable[[Callable[[], bool]], bool] = lambda test: test()) -> None:
        """Warm up: capture the graph on CUDA; find out on the CPU whether short batches give the same bits.

        asked  gives the answer of the test that it is given, which it may know from an earlier process
        """
        if self.buffer.device.type == "cuda":
            self._capture()
        else:
            self.runs_full = not asked(self._short_batches_agree)
            self.run(1)  # layers pack their weights

    def results(self, groups: Iterable[Tensor]) -> Iterator[Tensor]:
        """Results (rows, D) of row groups (n, …) of any n: one tensor for each full buffer, and one for the rest."""
        filled = 0
        for group in groups:
            remaining = group
            while len(remaining):
                part = remaining[: self.rows - filled]
                self.buffer[filled : filled + len(part)].copy_(part)
                filled, remaining = filled + len(part), remaining[len(part) :]
                if filled == self.rows:
                    yield self.run(filled)
                    filled = 0
        if filled:
            yield self.run(filled)

    def run(self, rows: int) -> Tensor:
        """Results (rows, D) of the first `rows` of the buffer, in new memory."""
        if self.graph is not None:
            self.graph.replay()
            results = self.output[:rows].clone()
            self._limit_queue()
            return results
        if self.runs_full:
            return self.forward(self.buffer)[:rows]
        return self.forward(self.buffer[:rows])

    def _limit_queue(self) -> None:
        """Wait until at most `RUNS_AHEAD` runs are queued."""
        end = torch.cuda.Event()  # type: ignore[no-untyped-call]
        end.record(torch.cuda.current_stream(self.buffer.device))
        self._ends.append(end)
        if len(self._ends) > RUNS_AHEAD:
            self._ends.popleft().synchronize()

    def _short_batches_agree(self) -> bool:
        """Whether a row gives the same bits in a full batch, in a short one and alone."""
        noise = torch.rand(self.buffer.shape, generator=torch.Generator().manual_seed(0))
        rows = noise.mul_(2.0).sub_(1.0).to(self.buffer.dtype)
        full = self.forward(rows)
        last = self.rows - 1
        return all(
            torch.equal(self.forward(rows[last + 1 - count :]), full[last + 1 - count :])
            for count in TESTED_ROWS
            if count < self.rows
        )

    def _capture(self) -> None:
        """Record one pass over the buffer as a CUDA graph, after the warm-up on a side stream that capture requires."""
        device = self.buffer.device
        side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_RUNS):
                self.forward(self.buffer)
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(device), torch.cuda.graph(graph):
            self.output = self.forward(self.buffer)
        self.graph = graph
