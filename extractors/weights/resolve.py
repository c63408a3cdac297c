"""Resolution of weights: named public sets, files, URIs or an explicit random seed, pinned by sha256.

In: the specification (`inception-2015`, a path, a URI, `random:SEED`, `none`) and the kind of weights. Out: a
`ResolvedWeights`: a verified local file and its sha256, or a seed. Random weights are never a fallback.

A named set that is not shipped with this package is downloaded once into the cache (`FRAMEMILL_CACHE`, default
`~/.cache/framemill`), verified and renamed into place. It is verified against the published hash, in full where it is
known. Otherwise the file that is used first, downloaded or put there, is pinned: its hash is stored beside it in
FILE.sha256, and later runs must match it, as well as the digits that were published. That file may be there from the
start, as `sha256sum FILE` writes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from extractors.weights.content import WeightsError, foreign_content
from extractors.weights.weight_sets import WEIGHT_SETS, Kind, MissingWeightsError, WeightSet
from extractors.weights.whole_file import temporary_beside, written_whole
from schemas.budget import weights_budget
from schemas.numerals import natural_number_of

OpenUri = Callable[[str], AbstractContextManager[IO[bytes]]]
Progress = Callable[[int, int | None], None]  # (bytes so far, total bytes if known)

CHUNK_BYTES = 1 << 20
MAX_NAME_CHARACTERS = 100
TIMEOUT_SECONDS = 60
_SHA256 = re.compile("[0-9a-fA-F]{64}")
HANDLERS: tuple[Callable[[], urllib.request.BaseHandler], ...] = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPErrorProcessor,
    urllib.request.UnknownHandler,
)
_URI = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True)
class ResolvedWeights:
    """Weights ready to load: a verified local path, a seed, or both once they are packed. Small and picklable."""

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
    def seed_to_draw(self) -> int | None:
        """The seed of a random network that is not packed on this machine."""
        return None if self.path and os.path.exists(self.path) else self.seed

    @property
    def fingerprint(self) -> str:
        """The identity of the weights in a shard's metadata: their hash, or `random:SEED`."""
        return f"random:{self.seed}" if self.is_random else f"sha256:{self.sha256}"


def default_cache_dir() -> Path:
    """The folder `FRAMEMILL_CACHE`, or `~/.cache/framemill`."""
    return Path(os.environ.get("FRAMEMILL_CACHE") or Path.home() / ".cache" / "framemill")


@contextlib.contextmanager
def open_http(uri: str) -> Iterator[IO[bytes]]:
    """Open an http(s) URI, which may redirect to others; callers pass their own opener for other schemes."""
    if not uri.lower().startswith(("http://", "https://")):
        raise OSError(f"{uri!r} cannot be opened: only http and https are supported")
    opener = urllib.request.OpenerDirector()  # urllib's own follows redirects to ftp, too
    for handler in HANDLERS:
        opener.add_handler(handler())
    with opener.open(uri, timeout=TIMEOUT_SECONDS) as response:
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
        seed = natural_number_of(spec.removeprefix("random:"))
        if seed is None:
            raise WeightsError(f"the seed of {spec!r} must be a whole number of 64 bits, for example random:0")
        return ResolvedWeights(kind, spec, seed=seed)
    for known in WEIGHT_SETS:
        if known.name == spec and known.kind == kind:
            path, sha256 = _named_file(known, cache, open_uri, progress)
            return ResolvedWeights(kind, spec, str(path), sha256)
    if _URI.match(spec):
        name = Path(urllib.parse.urlsplit(spec).path).name[-MAX_NAME_CHARACTERS:]  # the suffix determines the format
        try:
            with temporary_beside(cache / "uri" / name) as part:
                sha256 = _download(spec, part, open_uri, progress, expected_bytes=None)
                cached = part.with_name(f"{sha256[:16]}-{name}")
                os.replace(part, cached)
        except OSError as error:
            raise WeightsError(f"weights {spec!r} cannot be read: {error}") from error
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
    """The verified file of a named set and its sha256; downloaded if it is neither shipped nor in the cache."""
    path = known.shipped if known.shipped and known.shipped.exists() else cache / known.file_name
    lock = path.with_name(path.name + ".sha256")
    if os.path.exists(path):
        sha256 = hash_path(path)
        _verify(known, path, sha256, lock)
        _pin(known, sha256, lock)
        return path, sha256
    if known.npm:
        raise MissingWeightsError(known, path, "you fetch it yourself, under its licence")
    try:
        with temporary_beside(path) as part:
            sha256 = _download(known.url, part, open_uri, progress, known.size_bytes)
            _verify(known, part, sha256, lock)
            _pin(known, sha256, lock)
            os.replace(part, path)
    except OSError as error:
        raise MissingWeightsError(known, path, str(error)) from error
    return path, sha256


def _download(uri: str, target: Path, open_uri: OpenUri, progress: Progress | None, expected_bytes: int | None) -> str:
    """Download a URI into a file; its sha256. `OSError` also for too large a file."""
    limit_bytes = expected_bytes or weights_budget().limit_bytes
    digest, done_bytes = hashlib.sha256(), 0
    with open_uri(uri) as source, target.open("wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            done_bytes += len(chunk)
            if done_bytes > limit_bytes:
                raise OSError(f"it has more than the {limit_bytes:,} bytes of such a file")
            if progress:
                progress(done_bytes, expected_bytes)
    return digest.hexdigest()


def _verify(known: WeightSet, path: Path, sha256: str, lock: Path) -> None:
    """Compare a file's hash with the published one, and with the one it was pinned to."""
    expected = [(known.sha256 or known.sha256_prefix, "published")]
    if not known.sha256 and (pinned := _pinned(lock)):
        expected.append((pinned, f"stored in {lock}"))
    for hash_text, origin in expected:
        if not sha256.startswith(hash_text):
            content = foreign_content(path)
            raise WeightsError(
                f"{path} is not the file of {known.name!r}: its sha256 is {sha256} ({path.stat().st_size:,} bytes), "
                f"the one {origin} is {hash_text}. {f'It {content}. ' if content else ''}"
                f"Delete the file to download {known.url or known.npm} again"
            )


def _pin(known: WeightSet, sha256: str, lock: Path) -> None:
    """Store the hash of a file whose hash was not published in full."""
    if known.sha256 or lock.exists():
        return
    with contextlib.suppress(OSError), written_whole(lock) as part:  # a cache that cannot be written to does not change
        part.write_text(f"{sha256}  {known.file_name}\n")


def _pinned(lock: Path) -> str:
    """The hash in the file beside a set; empty where there is none yet."""
    try:
        words = lock.read_text().split()
    except FileNotFoundError:
        return ""
    if not words or not _SHA256.fullmatch(words[0]):
        raise WeightsError(f"{lock} holds no sha256 of 64 digits: write it with sha256sum, or delete it to pin anew")
    return words[0].lower()
