"""The published sets of weights that are known by name, and what to bring where they are missing."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from extractors.weights.content import WeightsError

Kind = Literal["frames", "sound", "frame-pca", "sound-pca", "face-detector", "face-points", "frame-classes"]

SHIPPED = Path(__file__).parent / "face_mesh"


@dataclass(frozen=True)
class WeightSet:
    """A published set of weights.

    sha256         of the file, if known in full; other files are pinned at their first use (`resolve`)
    sha256_prefix  its first digits, if only these were published
    size_bytes     of the file, if known exactly
    about          its size as it was published, if it is not
    alternatives   other accepted public files of the same weights
    shipped        where the file is in this package, if it is: it is not downloaded then
    npm            the package of npm that the file is, NAME@VERSION, in place of a `url`: its users fetch it themselves
    """

    name: str
    kind: Kind
    url: str
    file_name: str
    licence: str
    sha256: str = ""
    sha256_prefix: str = ""
    size_bytes: int | None = None
    about: str = ""
    alternatives: str = ""
    shipped: Path | None = None
    npm: str = ""

    def download(self, path: Path) -> str:
        """The command that brings the file to `path`."""
        if self.npm:
            folder = shlex.quote(str(path.parent))
            return f"mkdir -p {folder} && npm pack {self.npm} --pack-destination {folder}"
        return f"curl -fL --create-dirs -o {shlex.quote(str(path))} {shlex.quote(self.url)}"

    @property
    def size(self) -> str:
        """The size of the file, for people."""
        if self.size_bytes is None:
            return f"about {self.about}" if self.about else "unknown"
        return f"{self.size_bytes / 1e6:.1f} MB"


WEIGHT_SETS: tuple[WeightSet, ...] = (
    WeightSet(
        name="inception-2015",
        kind="frames",
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        file_name="pt_inception-2015-12-05-6726825d.pth",
        licence="Apache-2.0",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        size_bytes=95_628_359,
        alternatives="http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz",
    ),
    WeightSet(
        name="inception-imagenet",
        kind="frames",
        url="https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
        file_name="inception_v3_google-0cc3c7bd.pth",
        licence="BSD-3-Clause (torchvision); trained on ImageNet, whose terms are for research",
        sha256_prefix="0cc3c7bd",
        about="109 MB",
    ),
    WeightSet(
        name="inception-keras",
        kind="frames",
        url="https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
        "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        file_name="inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        licence="Apache-2.0 (Keras); trained on ImageNet, whose terms are for research",
        about="88 MB",
        alternatives="https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
        "inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
    ),
    WeightSet(
        name="vggish",
        kind="sound",
        url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
        file_name="vggish-10086976.pth",
        licence="Apache-2.0",
        sha256="10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b",
        size_bytes=288_567_937,
        alternatives="https://storage.googleapis.com/audioset/vggish_model.ckpt",
    ),
    WeightSet(
        name="yt8m",
        kind="frame-pca",
        url="http://data.yt8m.org/yt8m_pca.tgz",
        file_name="yt8m_pca.tgz",
        licence="CC BY 4.0 (YouTube-8M)",
        about="15 MB",
        alternatives="http://data.yt8m.org/pca_matrix_data/inception3_projection_matrix_data.pb "
        "with inception3_mean_matrix_data.pb in the same folder",
    ),
    WeightSet(
        name="vggish",
        kind="sound-pca",
        url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish_pca_params-970ea276.pth",
        file_name="vggish_pca_params-970ea276.pth",
        licence="Apache-2.0",
        sha256_prefix="970ea276",
        size_bytes=181_358,
        alternatives="https://storage.googleapis.com/audioset/vggish_pca_params.npz",
    ),
    WeightSet(
        name="face-mesh",
        kind="face-detector",
        url="https://storage.googleapis.com/mediapipe-assets/face_detection_short_range.tflite",
        file_name="face_detection_short_range.tflite",
        licence="Apache-2.0 (MediaPipe)",
        sha256="3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
        size_bytes=229_032,
        shipped=SHIPPED / "face_detection_short_range.tflite",
    ),
    WeightSet(
        name="face-mesh",
        kind="face-points",
        url="https://storage.googleapis.com/mediapipe-assets/modules/face_landmark/face_landmark.tflite",
        file_name="face_landmark.tflite",
        licence="Apache-2.0 (MediaPipe)",
        sha256="c603fa6149219a3e9487dc9abd7a0c24474c77263273d24868378cdf40aa26d1",
        size_bytes=1_241_896,
        shipped=SHIPPED / "face_landmark.tflite",
    ),
    WeightSet(
        name="inception-nsfw",
        kind="frame-classes",
        url="",
        file_name="nsfwjs-4.4.0.tgz",
        licence="MIT (nsfwjs, Infinite Red)",
        sha256="585cd178f3b994337c4d10a87b080d342fc52f8b9bf0085c4d1f345a3a1c5382",
        size_bytes=24_973_068,
        npm="nsfwjs@4.4.0",
    ),
)


UNPINNED = (
    "No full sha256 was published of {}: what is used first is pinned in FILE.sha256 beside it. To pin it yourself, "
    "put that file there, as `sha256sum FILE` writes it"
)
RANDOM = "For a trial without trained weights, random:SEED stands for a name, such as random:0"


class MissingWeightsError(WeightsError):
    """The named set `known`, which belongs at `path` and is not there for a `reason`."""

    def __init__(self, known: WeightSet, path: Path, reason: str) -> None:
        super().__init__(known, path, reason)
        self.known, self.path, self.reason = known, path, reason

    def __str__(self) -> str:
        return missing_weights([self])


def missing_weights(missing: Sequence[MissingWeightsError]) -> str:
    """What to bring: each missing set and, below it, the command that downloads it."""
    wanted = []
    for each in missing:
        known = each.known
        wanted.append(f"  {known.name} for {known.kind}: {known.file_name}, {known.size}, {known.licence}")
        wanted.append(f"    {known.download(each.path)}")
    folders = ", ".join(dict.fromkeys(str(each.path.parent) for each in missing))
    reasons = "; ".join(dict.fromkeys(each.reason for each in missing))
    also = [f"{each.known.name} for {each.known.kind}: {each.known.alternatives}" for each in missing]
    also = [line for line, each in zip(also, missing, strict=True) if each.known.alternatives]
    can_be_random = any(not each.known.npm for each in missing)
    unpinned = [each.known.file_name for each in missing if not each.known.sha256]
    return "\n".join(
        [
            f"weights are not in the cache, and were not downloaded ({reasons}):",
            *wanted,
            f"Run these commands where there is network access, and put the files into {folders} on this machine",
            *(["Other public files of the same weights are accepted by their paths:"] if also else []),
            *(f"  {line}" for line in also),
            *([UNPINNED.format(", ".join(unpinned))] if unpinned else []),
            *([RANDOM] if can_be_random else []),
        ]
    )
