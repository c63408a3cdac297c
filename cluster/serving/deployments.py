"""The deployments: decoders, networks, classifiers and live networks, replicas of Ray Serve, which scales and batches.

    Decoder     a child process that decodes, on a CPU core; hostile files cost it that child alone
    Networks    what runs on GPUs: the extractor's networks, or one that looks at clips, or at lips
    Classifier  timelines from the features of frames
    Live        a stream network at the frames of cameras, whose state travels with each frame

A replica loads what it runs by itself, with `load`: what it is made with passes through Serve's controller, which keeps
it, and weights are too large for that. One that is lost costs the requests that it was at: whoever made them sends them
again.
"""

from __future__ import annotations

import asyncio
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from ray import serve
from ray.exceptions import RayActorError

from classifiers.inference.feature_classifier import TrainedClassifier
from cluster.engines.base import EngineError, WorkerLoss
from cluster.engines.pickled_file import PickledFile
from cluster.engines.stage import Network
from cluster.engines.task_process import TaskProcess
from cluster.engines.tasks import Outcome
from cluster.features.blocks import FeatureBlock
from cluster.live.network import LiveNetwork
from cluster.runs.logs import configure_worker_logging
from cluster.scoring.feature_timelines import FeatureTimelines
from cluster.scoring.stream_network import to_arrays, to_state
from cluster.serving.decoding import StageWorker, Step
from cluster.serving.network_link import NetworkLink
from cluster.serving.picture import Picture, PictureWorker, SeenPicture
from cluster.serving.spool import Spool
from schemas.timelines import Timeline

BATCH_CALLS = 16
BATCH_WAIT_SECONDS = 0.005
RESENDS = 5
RESEND_SECONDS = 1.0


class Decoder:
    """Decodes, a segment at a time, in a child process; `networks` are handles of other deployments, by stage."""

    async def __init__(  # type: ignore[misc]  # Serve waits for it
        self, load: Callable[[], StageWorker], networks: Mapping[str, Any]
    ) -> None:
        configure_worker_logging()
        worker = await asyncio.to_thread(load)
        self._lock = asyncio.Lock()
        self._handles = networks
        self._spool = Spool(None)
        self._link = NetworkLink(f"{self._spool.folder}/networks", worker.networks, self._embed)
        variants = {stage: await handle.variants.remote() for stage, handle in networks.items()}
        named = {f"{stage}/{name}": variant for stage, own in variants.items() for name, variant in own.items()}
        linked = worker.with_networks(self._link.proxies(named))
        file = PickledFile.write(f"{self._spool.folder}/worker", linked)
        self._process = TaskProcess(file, linked.resources, linked.outcome_type)
        await asyncio.to_thread(self._process.start)

    async def carry_out(self, step: Step) -> Outcome | WorkerLoss:
        """The outcome of a step, or how the child was lost over it. A request that is cancelled ends the child."""
        async with self._lock:
            stop = threading.Event()

            def check() -> None:
                if stop.is_set():
                    raise EngineError("the request was cancelled")

            call = asyncio.ensure_future(asyncio.to_thread(self._process.carry_out, step, check))
            try:
                answer = await asyncio.shield(call)
            except asyncio.CancelledError:
                stop.set()
                await asyncio.wait([call])
                raise
        if isinstance(answer, WorkerLoss):
            return answer
        try:
            outcome: Outcome = answer.outcome
        except ValueError as error:
            return WorkerLoss(str(error))
        return outcome

    def __del__(self) -> None:
        """End the child, and remove the socket."""
        if hasattr(self, "_process"):
            self._process.close()
        self._link.close()
        self._spool.close()

    def _embed(self, name: str, chunk: list[Any]) -> NDArray[np.float32]:
        """In a thread of the link: vectors from the deployment that has the network; again, where a replica is lost."""
        stage, _, network = name.rpartition("/")
        for _ in range(RESENDS):
            try:
                vectors: NDArray[np.float32] = self._handles[stage].embed.remote(network, chunk).result()
            except RayActorError:
                time.sleep(RESEND_SECONDS)
            else:
                return vectors
        raise OSError(f"{RESENDS} replicas of the networks of {stage} were lost in a row")


class Networks:
    """The networks of one stage, on a GPU if the replica has one; batches are filled across videos."""

    def __init__(self, load: Callable[[], Mapping[str, Network]]) -> None:
        configure_worker_logging()
        # Rows lie read-only in the object store, and are only read.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        self._networks = dict(load())
        self._lock = threading.Lock()  # networks have one batch buffer
        for network in self._networks.values():
            network.setup()

    def variants(self) -> dict[str, str]:
        """Those of the networks, by their names."""
        return {name: network.variant for name, network in self._networks.items()}

    async def embed(self, name: str, chunk: list[Any]) -> NDArray[np.float32]:
        """The vectors (N, D) of the rows of a chunk, by the network `name`."""
        return await self._embed((name, chunk))  # type: ignore[no-any-return]  # as Serve's decorator has no types

    @serve.batch(max_batch_size=BATCH_CALLS, batch_wait_timeout_s=BATCH_WAIT_SECONDS)  # type: ignore[untyped-decorator]
    async def _embed(self, calls: list[tuple[str, list[Any]]]) -> list[NDArray[np.float32]]:
        return await asyncio.to_thread(self._run, calls)

    def _run(self, calls: list[tuple[str, list[Any]]]) -> list[NDArray[np.float32]]:
        results: dict[int, NDArray[np.float32]] = {}
        with self._lock:
            for name in dict.fromkeys(name for name, _ in calls):
                network = self._networks[name]
                places = [place for place, call in enumerate(calls) if call[0] == name]
                chunks = [network.unpack(calls[place][1]) for place in places]
                vectors = network.embed_prepared([row for chunk in chunks for row in chunk])
                bounds = np.cumsum([0, *map(len, chunks)]).tolist()
                for place, start, stop in zip(places, bounds[:-1], bounds[1:], strict=True):
                    results[place] = vectors[start:stop]
        return [results[place] for place in range(len(calls))]


@dataclass(frozen=True)
class FrameFeatures:
    """The features of a video's frames: codes (F, D) uint8 of pictures and sound, and where frames are missing."""

    rgb: NDArray[np.uint8]
    audio: NDArray[np.uint8]
    gaps: tuple[tuple[float, float], ...]


class Classifier:
    """A classifier of features: their timelines."""

    def __init__(self, load: Callable[[], tuple[TrainedClassifier, FeatureTimelines]]) -> None:
        configure_worker_logging()
        torch.set_num_threads(1)
        self._trained, self._timelines = load()
        if torch.cuda.is_available():
            self._trained.to(torch.device("cuda"))

    async def timeline(self, features: FrameFeatures) -> Timeline:
        """The timeline of a video. In a batch with others, its scores would differ in their last bits."""
        return await asyncio.to_thread(self.timeline_of, features)

    def timeline_of(self, features: FrameFeatures) -> Timeline:
        """The same, in the calling thread."""
        offsets = np.array([0, len(features.rgb)])
        block = FeatureBlock(0, features.rgb, features.audio, np.diff(offsets), offsets, gaps=[features.gaps])
        (timeline,) = self._timelines.of_block(self._trained, block, np.array([0]), [0])
        return timeline


class Live:
    """A stream network that watches cameras, of which it keeps nothing: the state of each comes with the frame."""

    def __init__(self, load: Callable[[], tuple[LiveNetwork, PictureWorker]], top_k: int) -> None:
        configure_worker_logging()
        self._network, worker = load()
        self._lock = threading.Lock()
        self._top_k = top_k
        self._spool = Spool(None)
        file = PickledFile.write(f"{self._spool.folder}/worker", worker)
        self._process = TaskProcess(file, worker.resources, worker.outcome_type)
        self._process.start()

    async def watch(
        self, content: bytes, state: Mapping[str, NDArray[Any]] | None
    ) -> tuple[NDArray[np.intp], NDArray[np.float32], dict[str, NDArray[Any]]] | SeenPicture:
        """The top classes after a frame, their scores and the state; or why the frame cannot be decoded."""
        return await asyncio.to_thread(self.look, content, state)

    def look(self, content: bytes, state: Mapping[str, NDArray[Any]] | None) -> Any:
        """The same, in the calling thread."""
        with self._lock:
            seen = self._process.carry_out(Picture(content))
            if isinstance(seen, WorkerLoss):
                return SeenPicture(None, "worker_died", "the frame has ended its decoder")
            if seen.image is None:
                return seen
            self._network.state = to_state(state)
            places, scores = self._network([seen.image], self._top_k)
            return places, scores, to_arrays(self._network.state)

    def __del__(self) -> None:
        """End the child."""
        if hasattr(self, "_process"):
            self._process.close()
        self._spool.close()
