"""MediaPipe's short-range BlazeFace: the faces in a frame, at several scales.

In: uint8 (H, W, 3) RGB. Out: `Face`s: a box in pixels, and the eyes. 0.1 million weights.

The network reads squares of 128 x 128 pixels, in [-1, 1], and gives a score and 16 numbers for each of 896 anchors:
the box and six points, relative to the anchor. The first scale is the whole frame, letterboxed. Where it has no face,
or only faces of less than a fifth of its side, the frame is searched in overlapping squares of half its longer side,
and then of a quarter of it. Faces of three GRID speakers, shrunk and put into 1080p frames, were all found down to 65
pixels (brow to chin), and none below 50; their lips lay within 1.2% of the face's size down to 160 pixels, and mostly
at 65.

Source: Bazarevsky et al., "BlazeFace: Sub-millisecond neural face detection on mobile GPUs" (arXiv 1907.05047);
`face_detection_short_range.tflite` of MediaPipe (Apache-2.0). There, overlapping boxes are blended; here, the most
confident one counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from extractors.faces.layers import Block, SameConv
from extractors.faces.regions import Points, Region, pixels_of
from extractors.faces.tflite_weights import load_tflite

SIDE = 128
LEAST_SCORE = 0.5
MAX_OVERLAP = 0.3  # of the boxes of two faces, intersection over union
MAX_CANDIDATES = 200
LEAST_SHARE = 0.2  # of a square's side, from which on boxes are exact
SCALES = (1, 2, 4)  # the longer side of the frame, in squares
BATCH = 16  # squares at once
# Channels and strides of the blocks; the anchors of the finer grid hang on the first eleven.
BLOCKS = (
    *((24, 1), (28, 1), (32, 2), (36, 1), (42, 1), (48, 2), (56, 1), (64, 1), (72, 1), (80, 1), (88, 1)),
    *((96, 2), (96, 1), (96, 1), (96, 1), (96, 1)),
)
FINE_BLOCKS = 11
GRIDS = ((16, 2), (8, 6))  # cells a side, anchors in each
NUMBERS = 16  # of an anchor: centre, width and height of the box; six points, of which the eyes are the first


@dataclass(frozen=True)
class Face:
    """A face, in pixels: its box (left, top, right, bottom), and the eyes (2, 2), the left one in the picture first."""

    box: tuple[float, float, float, float]
    eyes: Points
    score: float

    @property
    def centre(self) -> tuple[float, float]:
        """The centre of the box."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2

    @property
    def side(self) -> float:
        """The longer side of the box."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


class FaceDetector(nn.Module):
    """The network."""

    def __init__(self) -> None:
        super().__init__()
        channels = (24, *(count for count, _ in BLOCKS))
        blocks = [
            Block(before, count, stride=stride, activation=nn.ReLU())
            for before, (count, stride) in zip(channels, BLOCKS, strict=False)
        ]
        self.stem = SameConv(3, 24, 5, 2)
        self.fine = nn.Sequential(*blocks[:FINE_BLOCKS])
        self.coarse = nn.Sequential(*blocks[FINE_BLOCKS:])
        widths = BLOCKS[FINE_BLOCKS - 1][0], BLOCKS[-1][0]
        self.scores = nn.ModuleList(nn.Conv2d(c, a, 1) for c, (_, a) in zip(widths, GRIDS, strict=True))
        self.boxes = nn.ModuleList(nn.Conv2d(c, a * NUMBERS, 1) for c, (_, a) in zip(widths, GRIDS, strict=True))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """B, 3, 128, 128 to scores (B, 896) before the sigmoid, and numbers (B, 896, 16)."""
        fine = self.fine(F.relu(self.stem(x)))  # B, 88, 16, 16
        grids = fine, self.coarse(fine)  # and B, 96, 8, 8
        scores = [head(x).permute(0, 2, 3, 1).flatten(1) for head, x in zip(self.scores, grids, strict=True)]
        boxes = [
            head(x).permute(0, 2, 3, 1).reshape(len(x), -1, NUMBERS) for head, x in zip(self.boxes, grids, strict=True)
        ]
        return torch.cat(scores, 1), torch.cat(boxes, 1)


def build_face_detector(path: Path) -> FaceDetector:
    """The network with the weights of its `.tflite` file."""
    with torch.device("meta"):
        network = FaceDetector()
    load_tflite(network, LAYERS, path)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # takes a quarter less time
    return network.eval()


@torch.inference_mode()
def find_faces(network: FaceDetector, frame: Tensor, *, scales: Sequence[int] = SCALES) -> list[Face]:
    """The faces of the first scale at which one is large enough, or of the last that has any."""
    found: list[Face] = []
    for scale in scales:
        squares = list(_squares(frame.shape[0], frame.shape[1], scale))
        candidates: list[Face] = []
        for start in range(0, len(squares), BATCH):
            batch = squares[start : start + BATCH]
            pictures = torch.stack([_picture(frame, *square) for square in batch])
            scores, numbers = network(pictures.contiguous(memory_format=torch.channels_last))
            for square, score, boxes in zip(batch, torch.sigmoid(scores), numbers, strict=True):
                candidates += _candidates(score, boxes, *square)
        found = _distinct(candidates) or found
        if any(face.side >= LEAST_SHARE * squares[0][2] for face in found):
            break
    return found


def _squares(height: int, width: int, scale: int) -> Iterator[tuple[int, int, int]]:
    """(left, top, side) of the squares of a scale; they overlap by half, and one that is larger is centred.

    None is smaller than what the network reads, but for the whole of a small frame.
    """
    longer = max(height, width)
    side = min(max(math.ceil(longer / scale), SIDE), longer)
    for top in _starts(height, side):
        for left in _starts(width, side):
            yield left, top, side


def _starts(length: int, side: int) -> list[int]:
    room = length - side
    if room <= 0:
        return [room // 2]
    steps = math.ceil(2 * room / side)
    return [round(index * room / steps) for index in range(steps + 1)]


def _picture(frame: Tensor, left: int, top: int, side: int) -> Tensor:
    """A square of a frame, (3, 128, 128) in [-1, 1]; black where it reaches beyond the frame."""
    square = Region(left + side / 2, top + side / 2, side / SIDE, 0.0)
    return pixels_of(frame, square, SIDE, SIDE) / 127.5 - 1


def _candidates(scores: Tensor, numbers: Tensor, left: int, top: int, side: int) -> list[Face]:
    """The anchors of a square, (896,) and (896, 16), that are faces."""
    chosen = (scores > LEAST_SCORE).nonzero()[:, 0]
    pairs = numbers[chosen].view(-1, NUMBERS // 2, 2) / SIDE  # N, 8, 2
    pairs[:, 0] += ANCHORS[chosen]
    pairs[:, 2:] += ANCHORS[chosen, None]
    pairs *= side
    corner = torch.tensor([left, top], dtype=torch.float32)
    faces = []
    for score, pair in zip(scores[chosen].tolist(), pairs, strict=True):
        low, high = (pair[0] - pair[1] / 2 + corner).tolist(), (pair[0] + pair[1] / 2 + corner).tolist()
        faces.append(Face((*low, *high), (pair[2:4] + corner).numpy(), score))
    return faces


def _distinct(candidates: Sequence[Face]) -> list[Face]:
    """The most confident of those that overlap."""
    faces: list[Face] = []
    for candidate in sorted(candidates, key=lambda face: -face.score)[:MAX_CANDIDATES]:
        if all(overlap(candidate, face) < MAX_OVERLAP for face in faces):
            faces.append(candidate)
    return faces


def overlap(face: Face, other: Face) -> float:
    """Intersection over union of the boxes of two faces."""
    (a, b, c, d), (e, f, g, h) = face.box, other.box
    shared = max(min(c, g) - max(a, e), 0.0) * max(min(d, h) - max(b, f), 0.0)
    union = (c - a) * (d - b) + (g - e) * (h - f) - shared
    return shared / union if union > 0 else 0.0


def _anchors() -> Tensor:
    """The centres of the anchors, (896, 2), of a square of side 1."""
    grids = []
    for cells, anchors in GRIDS:
        places = (torch.arange(cells) + 0.5) / cells
        y, x = torch.meshgrid(places, places, indexing="ij")
        grids.append(torch.stack([x, y], -1).view(-1, 2).repeat_interleave(anchors, 0))
    return torch.cat(grids)


ANCHORS = _anchors()


def _layers() -> dict[str, str]:
    """The network's layers by their names in the file."""
    names = {"stem": "conv2d"}
    for index in range(len(BLOCKS)):
        place = f"fine.{index}" if index < FINE_BLOCKS else f"coarse.{index - FINE_BLOCKS}"
        names[f"{place}.depthwise"] = f"depthwise_conv2d_{index}" if index else "depthwise_conv2d"
        names[f"{place}.pointwise"] = f"conv2d_{index + 1}"
    for index, stride in enumerate((8, 16)):
        names[f"scores.{index}"] = f"classificator_{stride}"
        names[f"boxes.{index}"] = f"regressor_{stride}"
    return names


LAYERS: Mapping[str, str] = _layers()
