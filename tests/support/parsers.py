"""Our own parsers of what strangers write, each with seeds and the errors that it may raise, for fuzzing.

As a program, it fuzzes one of them: libFuzzer changes the seeds, guided by the branches that our code takes. It ends
with an error at the first input that raises anything else, takes `STUCK_SECONDS` or needs `MAX_MIB`.

    python -m tests.support.parsers NAME SECONDS
"""

from __future__ import annotations

import errno
import gzip
import io
import math
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.error
import numpy as np
from typing_extensions import override

from classifiers.text.arpa import ArpaError, read_arpa
from classifiers.text.lexicon import LexiconError, read_words
from cluster.annotations.base import AnnotationError, ReadOptions
from cluster.annotations.formats import READERS as ANNOTATION_READERS
from cluster.annotations.read import read_annotations
from cluster.datasets.label_cells import labels_of
from cluster.datasets.manifest_rows import rows_of
from cluster.features.tfrecord_files import inspect_records
from cluster.storage.redaction import redacted
from cluster.storage.tfrecords import RecordError
from extractors.clips.frame_times import frame_times
from extractors.faces.tflite_weights import TfliteError, read_constants
from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.bitstream.registry import READERS, reader_for
from extractors.video.cropping import clean_aperture, matroska_crops
from extractors.video.encryption import has_encryption
from extractors.video.media import open_media
from extractors.video.sample_entries import sample_entries
from extractors.weights.protobuf_wire import WireError, fields, floats, integer, text
from extractors.weights.tensorflow_bundle import read_bundle, shard_names
from extractors.weights.tensorflow_files import read_checkpoint, read_graph_constants
from schemas.outcomes import VideoError
from schemas.runs import RunRecord
from tests.support.videos import Clip, write_video

STUCK_SECONDS = 10
MAX_MIB = 2048
MAX_BYTES = 4096  # of an input
MAX_PIXELS = 1 << 24
MAX_OFFSET = 1 << 43  # ext4's
FIXTURES = Path(__file__).parents[1] / "fixtures"
MEDIA = {
    "a.mp4": Clip(frames=6, gop=3, width=32, height=32, sound="aac", container_options={"movflags": "faststart"}),
    "a.mkv": Clip(frames=6, gop=3, width=32, height=32),
    "a.ts": Clip("mpeg2video", frames=6, gop=3, rate=25, width=32, height=32),
}


@dataclass(frozen=True)
class Parser:
    """Reads an input, or refuses it by one of `refusals`; `seeds` are inputs that it reads."""

    read: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    refusals: tuple[type[Exception], ...] = ()

    def __call__(self, data: bytes) -> None:
        """Read `data`; raises what is no refusal."""
        with suppress(*self.refusals):
            self.read(data)


def _bitstream(data: bytes) -> None:
    """A codec, its configuration of up to 63 bytes, and packets, each after its size."""
    codecs = sorted(READERS)
    reader = reader_for(codecs[data[0] % len(codecs)], data[2 : 2 + data[1] % 64]) if len(data) > 1 else None
    at = 2 + data[1] % 64 if reader else len(data)
    while at < len(data):
        size = data[at]
        with suppress(UnsureStructureError, IndexError, OverflowError):  # as `extractors.video.decode` expects
            assert reader is not None
            reader(data[at + 1 : at + 1 + size])
        at += 1 + size


def _bitstream_seeds() -> list[bytes]:
    rng, seeds = np.random.default_rng(0), []
    for number in range(len(READERS)):
        nal = b"\0\0\1\x67\x64\0\x0a\xac\xd9\x44\0\0\1\x68\xeb\xe3\xcb\0\0\1\x65\x88\x84"
        seeds.append(bytes([number, 0, len(nal)]) + nal + bytes([20]) + rng.bytes(20))
    return seeds


class Disk(io.BytesIO):
    """A file that refuses positions which file systems refuse."""

    @override
    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if offset >= MAX_OFFSET:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return super().seek(offset, whence)


def _frame_times(data: bytes) -> None:
    source = Disk(data)
    with open_media(source, max_pixels=MAX_PIXELS) as media:
        times = frame_times(media, source)
        sequence = times.sequence(times.origin, times.end_pts)
        sequence.timestamps([Fraction(0)])


def _containers(data: bytes) -> None:
    for entry in sample_entries(Disk(data)):
        clean_aperture(entry)
    list(matroska_crops(Disk(data)))
    has_encryption(Disk(data))


def _wire(data: bytes) -> None:
    list(fields(data))
    text(data, 1), integer(data, 2), floats(data, 5)


def _bundle(data: bytes) -> None:
    shard_names("x", data)
    read_bundle(data, [bytes(512)])


def _manifest(data: bytes) -> None:
    """The kind of a manifest, and its content."""
    kinds = ("a.csv", "a.tsv", "a.jsonl", "a.csv.gz", "a.parquet")
    for row in rows_of(kinds[data[0] % len(kinds)] if data else kinds[0], data[1:]):
        for cell in row.cells.values():
            with suppress(ValueError):
                labels_of(cell)


def _manifest_seeds() -> list[bytes]:
    csv = b"id,uri,labels,split,start_seconds\na,a.mp4,\"['x', 'y']\",train,1\nb,b.mp4,1;2,,\n"
    lines = b'{"id": "a", "uri": "a.mp4", "labels": [1, "x"], "start_seconds": 1.5}\n'
    return [b"\0" + csv, b"\1" + csv.replace(b",", b"\t"), b"\2" + lines, b"\3" + gzip.compress(csv)]


def _annotations(data: bytes) -> None:
    """The number of a format, and the content of a file of it."""
    formats = sorted(ANNOTATION_READERS.values(), key=lambda one: one.name)
    chosen = formats[data[0] % len(formats)] if data else formats[0]
    options = ReadOptions(frame_rate=Fraction(24) if chosen.takes_frame_rate else None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{chosen.suffixes[0]}"
        path.write_bytes(data[1:])
        read_annotations(str(path), chosen.name, options)


def _annotation_seeds() -> list[bytes]:
    names = sorted(ANNOTATION_READERS)
    contents = {
        "activitynet": b'{"database": {"v": {"annotations": [{"segment": [0, "1.5e0"], "label": "x"}]}}}',
        "cvat-video": b"""<annotations><meta><task><source>a</source></task></meta>
            <track id="0" label="x"><box frame="1" outside="0"/><box frame="2" outside="1"/></track></annotations>""",
        "table": b"id,start_seconds,end_seconds,label,split\nv,0,1.5,'=x,s\nw,,,,\n",
    }
    return [bytes([names.index(name)]) + content for name, content in contents.items()]


def _language_model(data: bytes) -> None:
    score = read_arpa(data).sentence_score(["</s>"])
    assert math.isfinite(score), score


def _redaction(data: bytes) -> None:
    redacted(data.decode(errors="replace"))


def _records(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tfrecord"
        path.write_bytes(data)
        inspect_records(str(path), "a.tfrecord")


def _fixtures(*names: str) -> Callable[[], list[bytes]]:
    return lambda: [(FIXTURES / name).read_bytes() for name in names]


def _media_seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return [write_video(Path(folder) / name, clip).read_bytes()[:MAX_BYTES] for name, clip in MEDIA.items()]


TABLES = ("tensorflow/checkpoint_v1.ckpt", "tensorflow/checkpoint_v2.ckpt.index", "tensorflow/constants.pb")
PARSERS = {
    "bitstream": Parser(_bitstream, _bitstream_seeds),
    "frame times": Parser(
        _frame_times, _media_seeds, (VideoError, UnsureStructureError, av.error.FFmpegError, IndexError, OverflowError)
    ),
    "container headers": Parser(_containers, _media_seeds),
    "protocol buffers": Parser(_wire, _fixtures(TABLES[2]), (WireError,)),
    "TensorFlow graph": Parser(read_graph_constants, _fixtures(TABLES[2]), (WireError,)),
    "TensorFlow checkpoint": Parser(read_checkpoint, _fixtures(TABLES[0]), (WireError,)),
    "TensorFlow bundle": Parser(_bundle, _fixtures(TABLES[1]), (WireError,)),
    "TFLite": Parser(read_constants, _fixtures("faces/tiny.tflite"), (TfliteError,)),
    "TFRecord": Parser(_records, _fixtures("tensorflow/frames_keyed_video_id.tfrecord"), (RecordError,)),
    "manifest": Parser(_manifest, _manifest_seeds, (ValueError,)),
    "annotations": Parser(_annotations, _annotation_seeds, (AnnotationError,)),
    "language model": Parser(_language_model, _fixtures("arpa/trigram.arpa"), (ArpaError,)),
    "word list": Parser(read_words, lambda: ["bin\nblue\r\n\ne\u0301\n".encode()], (LexiconError,)),
    "redaction": Parser(_redaction, lambda: [b"see 'https://u:p@host/a?token=1#b' and Basic YTpi"]),
    "record": Parser(
        lambda data: RunRecord.from_json(data.decode(errors="replace")), _fixtures("records/run.json"), (ValueError,)
    ),
}


def main(name: str, seconds: int) -> None:
    """Fuzz one parser. Ends the process."""
    import atheris

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(PARSERS[name].seeds()):
            (Path(folder) / str(number)).write_bytes(seed)
        limits = (
            f"-artifact_prefix={folder}/",
            f"-max_total_time={seconds}",
            f"-timeout={STUCK_SECONDS}",
            f"-rss_limit_mb={MAX_MIB}",
        )
        atheris.instrument_all()
        atheris.Setup([sys.argv[0], folder, *limits, f"-max_len={MAX_BYTES}"], PARSERS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
