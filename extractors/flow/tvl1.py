"""TV-L1 optical flow, of any number of pairs of frames together.

In: the first and the second frames, grey, (N, H, W), uint8 or float of 0..255, on any device. Out: float32 (N, 2, H,
W), to the right and downwards, in pixels: what is at (x, y) in the first frame is at (x + u, y + v) in the second. N
pairs.

Source: Zach, Pock and Bischof, "A duality based approach for realtime TV-L1 optical flow" (DAGM 2007), as refined in
OpenCV's contributed `DualTVL1OpticalFlow`, whose parameters and stopping rule these are, with which the published I3D
was trained. From coarse to fine, the second frame is warped by the flow so far; the increment then solves, in turns, a
thresholding of the brightness difference and a dual step of the total variation.

A pair's flow does not depend on the pairs beside it: each leaves the iterations when it has converged.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

TAU = 0.25  # step of the dual variables
LAMBDA = 0.15  # weight of the brightness difference
THETA = 0.3  # tightness of the coupling of the two problems
SCALES = 5
SCALE_STEP = 0.8
MIN_SIDE = 16  # of the coarsest scale
WARPS = 5
EPSILON = 0.01  # of the mean square change, in pixels, at which a warp has converged
OUTER_ITERATIONS, INNER_ITERATIONS = 10, 30  # the flow is median-filtered before the inner ones
MEDIAN_SIDE = 5
# In a square of 5 x 5 values whose rows and columns are sorted, the places of each row that may hold the median; six of
# the others are at most as high as it, six at least.
MIDDLE = ((3, 4), (2, 3, 4), (1, 2, 3), (0, 1, 2), (0, 1))
FLAT = 1e-7  # below this squared gradient there is nothing to follow


@torch.no_grad()
def tvl1_flow(first: Tensor, second: Tensor) -> Tensor:
    """The flow (N, 2, H, W) from `first` to `second`, (N, H, W) each.

    Raises:
        ValueError: for frames of different shapes, or with sides below 3.
    """
    if first.shape != second.shape or first.ndim != 3 or min(first.shape[1:]) < 3:
        raise ValueError(
            f"pairs of frames must be two (N, H, W) with sides of 3 or more, not {tuple(first.shape)} and "
            f"{tuple(second.shape)}"
        )
    levels = list(_pyramid(torch.stack([first.float(), second.float()], 1)))
    flow = torch.zeros_like(levels[-1])  # (N, 2, H, W) of the coarsest scale
    for number, frames in enumerate(reversed(levels)):
        if number:
            flow = F.interpolate(flow, frames.shape[2:], mode="bilinear") / SCALE_STEP
        flow = _refined(flow, frames)
    return flow


def _pyramid(frames: Tensor) -> Iterator[Tensor]:
    """Frames (N, 2, H, W) from fine to coarse."""
    yield frames
    for _ in range(SCALES - 1):
        height, width = (round(side * SCALE_STEP) for side in frames.shape[2:])
        if min(height, width) < MIN_SIDE:
            return
        frames = F.interpolate(frames, (height, width), mode="bilinear")
        yield frames


def _refined(flow: Tensor, frames: Tensor) -> Tensor:
    """The flow (N, 2, H, W) at one scale."""
    first, second = frames[:, :1], frames[:, 1:]
    # The second frame and its gradient, (N, 3, H, W), which are warped together.
    source = torch.cat([second, _central_gradient(second)], 1)
    dual = flow.new_zeros(*flow.shape[:2], 2, *flow.shape[2:])  # (N, 2 components, 2 directions, H, W)
    for _ in range(WARPS):
        warped = _warped(source, flow)
        gradient = warped[:, 1:]
        residual = warped[:, :1] - (gradient * flow).sum(1, keepdim=True) - first
        flow, dual = _solved(flow, dual, gradient, residual)
    return flow


def _solved(flow: Tensor, dual: Tensor, gradient: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
    """Iterate until each pair has converged; `residual` is the brightness difference at zero flow."""
    final_flow, final_dual = torch.empty_like(flow), torch.empty_like(dual)
    rows = torch.arange(len(flow), device=flow.device)  # of the pairs that are still iterated
    squared = gradient.square().sum(1, keepdim=True)
    slope = torch.where(squared > FLAT, -1 / squared, 0.0)
    dual, slopes = dual.clone(), torch.zeros_like(dual)
    for _ in range(OUTER_ITERATIONS):
        flow = median_filtered(flow)
        for _ in range(INNER_ITERATIONS):
            flow, change = _step(flow, dual, gradient, residual, slope, slopes[: len(flow)])
            is_done = change <= EPSILON**2
            if is_done.any():
                final_flow[rows[is_done]], final_dual[rows[is_done]] = flow[is_done], dual[is_done]
                left = ~is_done
                rows = rows[left]
                if not len(rows):
                    return final_flow, final_dual
                flow, dual, gradient, residual, slope = (
                    values[left] for values in (flow, dual, gradient, residual, slope)
                )
    final_flow[rows], final_dual[rows] = flow, dual
    return final_flow, final_dual


def _step(
    flow: Tensor, dual: Tensor, gradient: Tensor, residual: Tensor, slope: Tensor, slopes: Tensor
) -> tuple[Tensor, Tensor]:
    """One inner iteration: the flow, and its mean square change (N,); `dual` is updated, `slopes` overwritten."""
    difference = torch.addcmul(residual, gradient[:, :1], flow[:, :1]).addcmul_(gradient[:, 1:], flow[:, 1:])
    limit = LAMBDA * THETA
    thresholded = torch.addcmul(flow, difference.mul_(slope).clamp_(-limit, limit), gradient)
    smooth = thresholded.add_(_divergence(dual), alpha=THETA)
    change = (smooth - flow).square_().sum(1).mean((1, 2))
    rate = TAU / THETA
    _forward_gradient(smooth, slopes)
    length = torch.hypot(slopes[:, :, :1], slopes[:, :, 1:]).mul_(rate).add_(1)
    dual.add_(slopes, alpha=rate).div_(length)
    return smooth, change


def _warped(source: Tensor, flow: Tensor) -> Tensor:
    """Sample (N, C, H, W) where the flow leads, bicubically; outside there is 0.

    As in OpenCV, places are multiples of 1/32: what does not move is sampled exactly, and stays where it is.
    """
    height, width = flow.shape[2:]
    flow = (flow * 32).round() / 32
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack([x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1], -1)
    return F.grid_sample(source, grid, mode="bicubic", padding_mode="zeros", align_corners=True)


def _central_gradient(image: Tensor) -> Tensor:
    """Half the difference of the neighbours, (N, 1, H, W) to (N, 2, H, W); the edge is repeated."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    return torch.cat([across, down], 1) / 2


def _forward_gradient(flow: Tensor, slopes: Tensor) -> None:
    """The difference to the next pixel, (N, 2, H, W) to (N, 2, 2, H, W); at the last one `slopes` keeps what it has."""
    torch.sub(flow[..., 1:], flow[..., :-1], out=slopes[:, :, 0, :, :-1])
    torch.sub(flow[..., 1:, :], flow[..., :-1, :], out=slopes[:, :, 1, :-1])


def _divergence(dual: Tensor) -> Tensor:
    """The adjoint of `_forward_gradient`, but for its sign: (N, 2, 2, H, W) to (N, 2, H, W)."""
    total = dual[:, :, 0] + dual[:, :, 1]
    total[..., 1:] -= dual[:, :, 0, :, :-1]
    total[..., 1:, :] -= dual[:, :, 1, :-1]
    return total


def median_filtered(values: Tensor) -> Tensor:
    """The median of each pixel's neighbourhood of 5 x 5, (N, C, H, W); the edge is repeated.

    Columns are sorted first, which neighbourhoods share, then the rows of the sorted columns: that leaves `MIDDLE`.
    """
    half = MEDIAN_SIDE // 2
    height, width = values.shape[2:]
    padded = F.pad(values, (half,) * 4, mode="replicate")
    every = tuple(range(MEDIAN_SIDE))
    rows = _ranked([padded[..., down : down + height, :] for down in every], every)  # each (N, C, H, W + 4)
    middle = [
        lane
        for row, ranks in zip(rows, MIDDLE, strict=True)
        for lane in _ranked([row[..., right : right + width] for right in every], ranks)
    ]
    (median,) = _ranked(middle, (len(middle) // 2,))
    return median


def _ranked(lanes: list[Tensor], ranks: tuple[int, ...]) -> list[Tensor]:
    """Those of the sorted values of all lanes, pixel by pixel, that have these ranks."""
    lanes = list(lanes)
    for low, high, keeps_low, keeps_high in _sorting_network(len(lanes), ranks):
        less = torch.minimum(lanes[low], lanes[high]) if keeps_low else lanes[low]
        more = torch.maximum(lanes[low], lanes[high]) if keeps_high else lanes[high]
        lanes[low], lanes[high] = less, more
    return [lanes[rank] for rank in ranks]


@cache
def _sorting_network(count: int, ranks: tuple[int, ...]) -> tuple[tuple[int, int, bool, bool], ...]:
    """Comparators, in order, that put the values of these ranks in their lanes: Batcher's sorting network, without what
    they do not depend on."""
    pairs = []
    size = 1 << (count - 1).bit_length()
    block = 1
    while block < size:
        distance = block
        while distance:
            for start in range(distance % block, size - distance, 2 * distance):
                for low in range(start, start + distance):
                    if low // (2 * block) == (low + distance) // (2 * block) and low + distance < count:
                        pairs.append((low, low + distance))
            distance //= 2
        block *= 2
    wanted, kept = set(ranks), []
    for low, high in reversed(pairs):
        if low in wanted or high in wanted:
            kept.append((low, high, low in wanted, high in wanted))
            wanted |= {low, high}
    return tuple(reversed(kept))
