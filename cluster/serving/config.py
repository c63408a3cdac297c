"""Options of `jobs/serve.py`."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass, field

from typing_extensions import override

from cluster.runs.common_options import ReportingOptions
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.scoring.config import PRECISIONS
from cluster.timelines.config import TimelineOptions
from cluster.transcription.config import DecodingOptions, MouthOptions
from extractors.video.media import MAX_PIXELS

LOCAL_HOST = "127.0.0.1"


def is_gpu_share(gpus: float) -> bool:
    """Whether Ray can give so many GPUs."""
    return gpus <= 1 or gpus == math.floor(gpus)


def is_network(text: str) -> bool:
    """Whether it is an IP address, or a network of them."""
    try:
        ipaddress.ip_network(text) if "/" in text else ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class ServedTimelines(TimelineOptions):
    """Scores over the time of each video, which all have, and which events follow from them."""

    timeline: bool = True
    sensitive: bool = False
    sensitive_class: tuple[str, ...] | None = None
    vtt: str | None = None
    events_csv: str | None = None


@dataclass(frozen=True)
class WeightOptions(Options):
    """Weights of the extractor, where the checkpoint's fingerprint knows no published set by that hash."""

    weights: str | None = option(
        None, help="weights of Inception: a path or a URI; by default those of the fingerprint"
    )
    pca: str | None = option(None, help="PCA of picture features, likewise")
    audio_weights: str | None = option(None, help="weights of VGGish, likewise")
    audio_pca: str | None = option(None, help="PCA of sound features, likewise")


@dataclass(frozen=True)
class ReplicaOptions(Options):
    """Where the work runs, and how far it grows."""

    address: str | None = option(
        None, help="address of a Ray cluster; by default RAY_ADDRESS, or a new cluster on this machine"
    )
    decoders: int | None = option(
        None, help="most replicas that decode; by default one for each core of the cluster", minimum=1, common=True
    )
    network_replicas: int = option(1, help="most replicas of each network", minimum=1, common=True)
    gpus_per_network: float | None = option(
        None,
        help="GPUs of a replica of a network, such as 1 or 0.25, and 0 for none; by default an equal share of those "
        "that are there at the start",
        minimum=0,
        accepts=is_gpu_share,
        must_be="a fraction of a GPU, or a whole number of them",
    )
    precision: str = option(
        "auto",
        help="precision of networks that look at clips, or watch videos or cameras; auto is that of the device that "
        "each replica finds",
        choices=PRECISIONS,
    )


@dataclass(frozen=True)
class UploadOptions(Options):
    """What is taken in, and how long it is kept."""

    uploads: str | None = option(
        None,
        help="folder of uploads, which all machines of a cluster share; by default a private temporary one",
        filled=True,
        is_written=True,
    )
    max_upload_mib: int = option(2048, help="largest video, in MiB", minimum=1, common=True)
    max_duration: float = option(3600.0, help="longest video, in seconds", above=0, below=math.inf, common=True)
    max_pixels: int = option(MAX_PIXELS, help="largest frame that is decoded, in pixels", minimum=1)
    upload_time: float = option(
        900.0, help="seconds that an upload, or the copy of a URI, may take", above=0, below=math.inf
    )
    idle_time: float = option(
        20.0, help="seconds without a byte, after which a client or a server has gone", above=0, below=math.inf
    )
    retention: float = option(
        3600.0, help="seconds for which a video and its results are kept", above=0, below=math.inf, common=True
    )
    storage_mib: int = option(
        16384, help="MiB that uploads may take together; others are told to come later", minimum=1
    )
    allow_uris: bool = option(False, help="take http(s) addresses on the public internet in place of an upload")
    allow_private_uris: bool = option(
        False, help="take those of private networks and of this machine, too", goes_with="allow_uris"
    )

    @override
    def conflicts(self) -> list[str]:
        if self.storage_mib < self.max_upload_mib:
            return [f"storage-mib {self.storage_mib} has no room for a video of max-upload-mib {self.max_upload_mib}"]
        return []


@dataclass(frozen=True)
class GuardOptions(Options):
    """Limits of the work on one video, and of what clients may ask for."""

    time_limit: float = option(
        900.0, help="seconds that one segment may take; a decoder that takes longer is killed", above=0, below=math.inf
    )
    memory_limit_mib: int = option(
        3072, help="MiB of memory that one segment, or the reading of lips, may take beside the networks", minimum=1
    )
    segment_seconds: int = option(60, help="seconds of video in one unit of work", minimum=1)
    work_time: float = option(
        7200.0, help="seconds that the work on one video may take, such as reading its lips", above=0, below=math.inf
    )
    queue: int = option(
        16, help="videos that may be uploaded, waiting or in work; others are told to come later", minimum=1
    )
    client_queue: int = option(8, help="of these, those of one client", minimum=1)
    client_rate: float = option(
        600.0, help="requests of one client in a minute, of which it may make a fourth at once", minimum=1
    )
    live_sessions: int = option(4, help="cameras at the same time", minimum=0)


@dataclass(frozen=True)
class ServeOptions(Options):
    """One service."""

    checkpoint: tuple[str, ...] = option(
        help="folders or URIs of trained classifiers and lip readers of any kind, which are compared side by side",
        filled=True,
        common=True,
    )
    host: str = option(
        LOCAL_HOST,
        help="address to listen at; 0.0.0.0 for all of this machine, with --token-file",
        filled=True,
        common=True,
    )
    port: int = option(8000, help="port to listen at; 0 for any that is free", minimum=0, maximum=65535, common=True)
    proxies: tuple[str, ...] = option(
        (),
        help="addresses or networks of proxies in front of this service, such as 10.0.0.7 or 10.1.0.0/16: only what "
        "these say of a client's address (X-Forwarded-For) and of https (X-Forwarded-Proto) is believed",
        accepts=is_network,
        must_be="an IP address, or a network such as 10.1.0.0/16",
    )
    token_file: str | None = option(
        None,
        help="file with the bearer token that clients must send; by default they need none",
        filled=True,
        common=True,
    )
    corrections: str | None = option(
        None,
        help="folder for corrected labels, a manifest, and for the videos that they are of; "
        "by default corrections are kept as long as their video",
        filled=True,
        is_written=True,
        common=True,
    )
    corrections_mib: int = option(
        16384, help="MiB that copies of corrected videos may take together", minimum=1, goes_with="corrections"
    )
    top_k: int = option(20, help="highest number of labels of a video", minimum=1)
    threshold: float = option(0.0, help="leave out labels with a lower score", minimum=0, maximum=1)
    timelines: ServedTimelines = field(default_factory=ServedTimelines)
    mouth: MouthOptions = field(default_factory=MouthOptions)
    text_decoding: DecodingOptions = field(default_factory=DecodingOptions)
    weights: WeightOptions = field(default_factory=WeightOptions)
    replicas: ReplicaOptions = field(default_factory=ReplicaOptions)
    uploads: UploadOptions = field(default_factory=UploadOptions)
    guards: GuardOptions = field(default_factory=GuardOptions)
    reporting: ReportingOptions = field(default_factory=ReportingOptions)

    @override
    def conflicts(self) -> list[str]:
        problems = []
        if len(set(self.checkpoint)) < len(self.checkpoint):
            problems.append("checkpoint names the same folder more than once")
        return problems
