"""Resolution of weights: named public sets, files, URIs or an explicit random seed, pinned by sha256.

In: the specification (`inception-2015`, a path, a URI, `random:SEED`, `none`) and the kind of weights. Out: a
`ResolvedWeights`: a verified local file and its sha256, or a seed. Random weights are never a fallback.

A named set is downloaded once into the cache (`FRAMEMILL_CACHE`, default `~/.cache/framemill`), verified and renamed
into place. It is verified against the published hash: in full where one is known, otherwise the first eight digits in
the file names of the PyTorch hub. If none was published, the hash of the first download is stored next to the file, and
later runs must match it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from extractors.weights.content import foreign_content
from extractors.weights.formats import WeightsError

Kind = Literal["frames", "sound", "frame-pca", "sound-pca"]
OpenUri = Callable[[str], AbstractContextManager[IO[bytes]]]
Progress = Callable[[int, int | None], None]  # (bytes so far, total bytes if known)

CHUNK_BYTES = 1 << 20
MAX_NAME_CHARACTERS = 100
TIMEOUT_SECONDS = 60
_URI = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True)
class WeightSet:
    """A published set of weights.

    sha256         of the file, if known in full
    sha256_prefix  its first digits, if only these were published
    size_bytes     of the file, if known exactly
    about          its size as it was published, if it is not
    alternatives   other accepted public files of the same weights
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
)


@dataclass(frozen=True)
class ResolvedWeights:
    """Weights ready to load: a verified local path, or a seed. Small and picklable."""

    kind: Kind
    spec: str
    path: str | None = None
    sha256: str = ""
    seed: int | None = None

    @property
    def is_random(self) -> bool:
        """Whether the weights are random, not trained."""
        return self.seed is not None

    @property
    def fingerprint(self) -> str:
        """The identity of the weights in a shard's metadata: their hash, or `random:SEED`."""
        return f"random:{self.seed}" if self.is_random else f"sha256:{self.sha256}"


class MissingWeightsError(WeightsError):
    """The named set `known`, which belongs at `path` and could not be downloaded for a `reason`."""

    def __init__(self, known: WeightSet, path: Path, reason: str) -> None:
        super().__init__(known, path, reason)
        self.known, self.path, self.reason = known, path, reason

    def __str__(self) -> str:
        return missing_weights([self])


def missing_weights(missing: Sequence[MissingWeightsError]) -> str:
    """What to bring, as a table with a row for each missing set."""
    header = ("name", "for", "file", "size", "folder", "download")
    rows = [
        (
            *(each.known.name, each.known.kind, each.known.file_name, each.known.size, str(each.path.parent)),
            f"curl -fL --create-dirs -o {shlex.quote(str(each.path))} {shlex.quote(each.known.url)}",
        )
        for each in missing
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (header, *rows)]
    reasons = "; ".join(dict.fromkeys(each.reason for each in missing))
    also = [f"{each.known.name} for {each.known.kind}: {each.known.alternatives}" for each in missing]
    also = [line for line, each in zip(also, missing, strict=True) if each.known.alternatives]
    return "\n".join(
        [
            f"weights are not in the cache and could not be downloaded ({reasons}):",
            *(f"  {line}" for line in table),
            "Run the download where there is network access, and put each file into its folder here",
            *(["Other public files of the same weights are accepted by their paths:"] if also else []),
            *(f"  {line}" for line in also),
            "For a trial without trained weights, random:SEED stands for a name, such as random:0",
        ]
    )


def default_cache_dir() -> Path:
    """The folder `FRAMEMILL_CACHE`, or `~/.cache/framemill`."""
    return Path(os.environ.get("FRAMEMILL_CACHE") or Path.home() / ".cache" / "framemill")


@contextlib.contextmanager
def open_http(uri: str) -> Iterator[IO[bytes]]:
    """Open an http(s) URI; callers pass their own opener for other schemes."""
    if not uri.lower().startswith(("http://", "https://")):
        raise OSError(f"{uri!r} cannot be opened: only http and https are supported")
    with urllib.request.urlopen(uri, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - the scheme was checked
        yield response
        if response.length:  # declared bytes that were not received; reading in chunks does not detect this
            raise OSError(f"the connection ended {response.length:,} bytes too early")


def resolve_weights(
    spec: str,
    kind: Kind,
    *,
    cache_dir: Path | None = None,
    open_uri: OpenUri = open_http,
    progress: Progress | None = None,
) -> ResolvedWeights | None:
    """Find, download if necessary, and verify the weights `spec`; None for a PCA with `spec` `none`.

    Raises:
        MissingWeightsError: if a named set is not in the cache and cannot be downloaded.
        WeightsError: if the name is unknown, the file is missing or cannot be downloaded, or its hash is wrong.
    """
    cache = cache_dir or default_cache_dir()
    if spec == "none" and kind.endswith("pca"):
        return None
    if spec.startswith("random:"):
        digits = spec.removeprefix("random:")
        if not digits.isdecimal():
            raise WeightsError(f"the seed of {spec!r} must be a whole number, for example random:0")
        return ResolvedWeights(kind, spec, seed=int(digits))
    for known in WEIGHT_SETS:
        if known.name == spec and known.kind == kind:
            path, sha256 = _named_file(known, cache, open_uri, progress)
            return ResolvedWeights(kind, spec, str(path), sha256)
    if _URI.match(spec):
        name = Path(urllib.parse.urlsplit(spec).path).name[-MAX_NAME_CHARACTERS:]  # the suffix determines the format
        try:
            path, sha256 = _download(spec, cache / "uri", name, open_uri, progress, expected_bytes=None)
        except OSError as error:
            raise WeightsError(f"weights {spec!r} cannot be read: {error}") from error
        cached = path.with_name(f"{sha256[:16]}-{name}")
        os.replace(path, cached)
        return ResolvedWeights(kind, spec, str(cached), sha256)
    local = Path(spec).expanduser().absolute()
    if not local.exists():
        names = [known.name for known in WEIGHT_SETS if known.kind == kind]
        raise WeightsError(
            f"weights {spec!r} for {kind} not found: it is neither a known name ({', '.join(names)}), nor random:SEED"
            f"{', nor none' if kind.endswith('pca') else ''}, nor a URI, nor an existing path"
        )
    return ResolvedWeights(kind, spec, str(local), hash_path(local))


def hash_path(path: Path) -> str:
    """The sha256 of a file; for a folder, the sha256 over the names and hashes of its files."""
    digest = hashlib.sha256()
    if path.is_dir():
        for item in sorted(entry for entry in path.iterdir() if entry.is_file()):
            digest.update(f"{item.name} {hash_path(item)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _named_file(known: WeightSet, cache: Path, open_uri: OpenUri, progress: Progress | None) -> tuple[Path, str]:
    """The verified file of a named set and its sha256; downloaded if it is not in the cache."""
    path = cache / known.file_name
    if path.exists():
        sha256 = hash_path(path)
        _verify(known, path, sha256)
        return path, sha256
    try:
        part, sha256 = _download(known.url, cache, known.file_name, open_uri, progress, known.size_bytes)
    except OSError as error:
        raise MissingWeightsError(known, path, str(error)) from error
    try:
        _verify(known, part, sha256)
    except WeightsError:
        part.unlink()
        raise
    os.replace(part, path)
    if not known.sha256:
        _lock_path(path).write_text(sha256 + "\n")
    return path, sha256


def _download(
    uri: str,
    folder: Path,
    file_name: str,
    open_uri: OpenUri,
    progress: Progress | None,
    expected_bytes: int | None,
) -> tuple[Path, str]:
    """Download a URI into a temporary file in the folder; its path and sha256."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{file_name}.{os.getpid()}.part"
    digest, done_bytes = hashlib.sha256(), 0
    try:
        with open_uri(uri) as source, part.open("wb") as target:
            while chunk := source.read(CHUNK_BYTES):
                target.write(chunk)
                digest.update(chunk)
                done_bytes += len(chunk)
                if progress:
                    progress(done_bytes, expected_bytes)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part, digest.hexdigest()


def _verify(known: WeightSet, path: Path, sha256: str) -> None:
    """Compare a file's hash with the published one, or with that of the first download."""
    lock = _lock_path(path)
    expected = known.sha256 or known.sha256_prefix
    origin = "published"
    if not known.sha256 and lock.exists():
        expected, origin = lock.read_text().strip(), f"stored in {lock}"
    if not sha256.startswith(expected):
        content = foreign_content(path)
        raise WeightsError(
            f"{path} is not the file of {known.name!r}: its sha256 is {sha256} ({path.stat().st_size:,} bytes), "
            f"the one {origin} is {expected}. {f'It {content}. ' if content else ''}"
            f"Delete the file to download {known.url} again"
        )


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
