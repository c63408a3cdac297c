"""The mouth of a speaker in every frame of a clip.

In: frames uint8 (T, H, W, 3) RGB, of one shot. Out: a `MouthTrack`: the box of the lips' outer ring and the eye line in
every frame, in pixels.

The detector finds the face, and the mesh its points. From then on, what the mesh looks at moves, turns and grows with
the points, and the detector is asked again only where the mesh says that there is no face. Then the face nearest to the
lost one counts, for a second. Frames without a face are interpolated between their neighbours; before the first and
after the last face found, the track holds still. The place of the mouth and the eye line are smoothed over five frames.
Boxes are not: a mouth opens within three frames, and a smoothed box would cut off up to 3 of its 25 pixels.

Measured on 450 frames of six GRID clips against the same nets under TensorFlow's interpreter, which detects in every
frame: the sides of the boxes differ by 0.5 pixels on average, seven of 1,800 by more than 2, the worst by 3.6. The mesh
is no surer than that: where its picture is moved by 6 of its 192 pixels, or scaled by 5 or 10%, each side of the box
moves by 0.3 to 1.3 pixels (standard deviation). The detector in every frame leaves three of 1,800 beyond 2 pixels
(worst 2.5), and boxes that are 7% less steady; the mean over eight such pictures leaves two, for eight times the work.
Of the seven, seen with the eye, some are better here and some there.

8 ms a frame on one thread, and 0.15 s where small faces are looked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from extractors.faces.detector import SCALES, FaceDetector, build_face_detector, find_faces
from extractors.faces.landmarks import EYES, LIPS, MARGIN, FaceMesh, build_face_mesh, face_points
from extractors.faces.landmarks import SIDE as MESH_SIDE
from extractors.faces.regions import Points, Region, angle_radians, moved
from extractors.networks.image_input import as_image_tensor
from extractors.weights.content import WeightsError
from extractors.weights.resolve import resolve_weights
from extractors.weights.weight_sets import Kind
from schemas.outcomes import FailureCode, VideoError

WEIGHTS = "face-mesh"
SMOOTHING = np.array([1, 4, 6, 4, 1]) / 16  # shares of the frames around one
MAX_FACES = 10  # of a frame
SEARCH_EVERY = 5  # frames, for small faces; large ones are looked for in every frame
FORGET_AFTER = 25  # frames without the face, as after a cut: then any face is chosen as at the start

Sighting = tuple[Region, Points]  # where the mesh looked at a face, and what it found there


@dataclass(frozen=True)
class MouthTrack:
    """T frames of a mouth.

    boxes      (T, 4) left, top, right, bottom of the lips, in pixels
    centres    (T, 2) of the boxes, x and y in pixels, smoothed
    eye_lines  (T, 2, 2) outer corners of the eyes, x and y in pixels, the left one in the picture first, smoothed
    found      (T,) where a face was found; elsewhere the numbers are interpolated
    """

    boxes: NDArray[np.float32]
    centres: NDArray[np.float32]
    eye_lines: NDArray[np.float32]
    found: NDArray[np.bool_]


class MouthFinder:
    """Finds the mouth of the largest face, or of the face that is the `face`-th from the left, from 1 on."""

    def __init__(self, detector: FaceDetector, mesh: FaceMesh) -> None:
        self.detector = detector
        self.mesh = mesh

    def track(self, frames: NDArray[np.uint8], *, face: int | None = None) -> MouthTrack:
        """The mouth in all frames, (T, H, W, 3).

        Raises:
            VideoError: if no frame has a face, or none has as many as asked for.
        """
        track = track_of(list(self.points(frames, face=face)))
        if track is None:
            raise no_face_error(frames[0], len(frames), face)
        return track

    def points(self, frames: Iterable[NDArray[np.uint8]], *, face: int | None = None) -> Iterator[Points | None]:
        """The points of the face in each frame (H, W, 3), as they come."""
        if face is not None and face < 1:
            raise ValueError(f"face={face}: faces are counted from 1")
        start: Sighting | None = None  # where the detector found the face
        region: Region | None = None  # where it is now, or was last
        lost_frames = 0
        for image in frames:
            frame = as_image_tensor(image)
            points = face_points(self.mesh, frame, region) if region and not lost_frames else None
            if points is None:
                scales = SCALES if lost_frames % SEARCH_EVERY == 0 else SCALES[:1]
                last = region if lost_frames < FORGET_AFTER else None
                if (seen := _chosen(self._sightings(frame, scales), face, last)) is not None:
                    start, points = seen, seen[1]
            if start and points is not None:
                region = moved(*start, points)
            lost_frames = 0 if points is not None else lost_frames + 1
            yield points

    def _sightings(self, frame: Tensor, scales: Sequence[int]) -> list[Sighting]:
        """What the detector takes for faces, and the mesh, too."""
        found = find_faces(self.detector, frame, scales=scales)[:MAX_FACES]
        regions = [Region(*face.centre, MARGIN * face.side / MESH_SIDE, angle_radians(face.eyes)) for face in found]
        points = [face_points(self.mesh, frame, region) for region in regions]
        return [(region, each) for region, each in zip(regions, points, strict=True) if each is not None]


def build_mouth_finder(spec: str = WEIGHTS, *, cache_dir: Path | None = None) -> MouthFinder:
    """A finder with a named set of weights.

    Raises:
        WeightsError: if the set is unknown, or a file of it is not the published one.
    """
    return MouthFinder(
        build_face_detector(_file(spec, "face-detector", cache_dir)),
        build_face_mesh(_file(spec, "face-points", cache_dir)),
    )


def track_of(by_frame: Sequence[Points | None]) -> MouthTrack | None:
    """The mouth in T frames, of the points of their face; None where no frame has one."""
    found = np.array([points is not None for points in by_frame], bool)
    if not found.any():
        return None
    points = np.stack([points for points in by_frame if points is not None])  # N, 468, 2
    lips, eyes = points[:, LIPS], points[:, EYES]
    measured = np.concatenate([lips.min(1), lips.max(1), eyes.reshape(-1, 4)], 1)  # N, 8
    whole = interpolated(measured, np.flatnonzero(found), len(by_frame))  # T, 8
    centres = smoothed((whole[:, :2] + whole[:, 2:4]) * np.float32(0.5))
    return MouthTrack(whole[:, :4], centres, smoothed(whole[:, 4:]).reshape(-1, 2, 2), found)


def no_face_error(frame: NDArray[np.uint8], count: int, face: int | None) -> VideoError:
    """The error for a video without the face that was asked for in `count` frames such as this one."""
    height, width = frame.shape[:2]
    what = "no face" if face is None else f"no {face} faces at once"
    return VideoError(
        FailureCode.NO_FACE,
        f"{what} found in its {count} frames of {width} x {height} pixels: provide a video with the speaker's face "
        "turned to the camera, at least a thirtieth of the longer side high",
    )


def interpolated(measured: NDArray[np.float32], places: NDArray[np.intp], frames: int) -> NDArray[np.float32]:
    """Numbers (N, D) of the frames `places`, for all frames: (T, D). They hold still at both ends."""
    every = np.arange(frames)
    columns = [np.interp(every, places, column) for column in measured.T]
    return np.stack(columns, 1).astype(np.float32)


def smoothed(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Numbers (T, D), each the mean of the frames around it by the shares of `SMOOTHING`; at the ends of mirrored ones.

    A movement at constant speed stays what it is.
    """
    reach = len(SMOOTHING) // 2
    padded = np.pad(numbers, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(SMOOTHING), axis=0)  # T, D, 5
    return (windows @ SMOOTHING).astype(np.float32)


def _file(spec: str, kind: Kind, cache_dir: Path | None) -> Path:
    weights = resolve_weights(spec, kind, cache_dir=cache_dir)
    if weights is None or weights.path is None:
        raise WeightsError(f"{spec!r} finds no faces: take {WEIGHTS!r}")
    return Path(weights.path)


def _chosen(seen: list[Sighting], face: int | None, last: Region | None) -> Sighting | None:
    """The face to follow: the nearest to where it was last, or else the `face`-th from the left, or the largest."""
    if last is not None:
        distances = {math.dist((region.x, region.y), (last.x, last.y)): (region, points) for region, points in seen}
        nearest = min(distances, default=math.inf)
        return distances[nearest] if nearest < last.scale * MESH_SIDE / 2 else None
    if face is None:
        return max(seen, key=lambda each: each[0].scale, default=None)
    ordered = sorted(seen, key=lambda each: each[0].x)
    return ordered[face - 1] if len(ordered) >= face else None
