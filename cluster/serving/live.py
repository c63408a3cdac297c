"""One camera: frames over a WebSocket into a stream network, answers back, nothing kept.

In: messages, each a JPEG. Out: for the newest frame whenever the network is free, `{"seconds", "top", "dropped"}`:
seconds since the first frame, the best classes, and how many frames have been left out so far. A frame that cannot be
decoded is answered by an error, and the session goes on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.exceptions import RayActorError
from starlette.websockets import WebSocket, WebSocketDisconnect

from classifiers.weights.checkpoint import CheckpointConfig
from cluster.serving.errors import error_body, public_message
from cluster.serving.metrics import Metrics
from cluster.serving.picture import SeenPicture

State = Mapping[str, NDArray[Any]] | None
LONGEST_SECONDS = 3600.0
GOING_AWAY, TRY_LATER = 1001, 1013

logger = logging.getLogger("framemill")


class Camera:
    """A session: the newest frame waits for the network `live`."""

    def __init__(
        self, socket: WebSocket, live: Any, config: CheckpointConfig, metrics: Metrics, idle_seconds: float
    ) -> None:
        self._socket, self._live, self._config, self._metrics = socket, live, config, metrics
        self._idle_seconds = idle_seconds
        self._newest: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1)
        self._dropped = 0
        self._is_busy = False

    async def __call__(self) -> None:
        """Watch until the client leaves, is silent for too long, or has watched for long enough."""
        parts = [asyncio.create_task(self._receive()), asyncio.create_task(self._look())]
        try:
            await asyncio.wait(parts, timeout=LONGEST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            ends = await asyncio.gather(*parts, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, WebSocketDisconnect):
                logger.error("an error in this program", exc_info=end)
        with suppress(RuntimeError, WebSocketDisconnect):
            await self._socket.close(GOING_AWAY)

    async def _receive(self) -> None:
        while True:
            try:
                message = await asyncio.wait_for(self._socket.receive(), self._idle_seconds)
            except TimeoutError:
                if self._is_busy:  # the client may wait for its answer
                    continue
                return
            if message["type"] == "websocket.disconnect":
                return
            if self._newest.full():
                self._newest.get_nowait()
                self._dropped += 1
                self._metrics.frames.labels("dropped").inc()
            self._newest.put_nowait((time.monotonic(), message.get("bytes") or b""))

    async def _look(self) -> None:
        state: State = None
        began: float | None = None
        while True:
            self._is_busy = False
            at, content = await self._newest.get()
            self._is_busy = True
            began = at if began is None else began
            try:
                answer = await self._live.watch.remote(content, state)
            except RayActorError:
                answer = SeenPicture(None, "worker_died", "")
            if isinstance(answer, SeenPicture):
                self._metrics.frames.labels("refused").inc()
                await self._socket.send_json(error_body(answer.code, public_message(answer.code, answer.message)))
                continue
            places, scores, state = answer
            self._metrics.frames.labels("seen").inc()
            top = self._named(places, scores)
            await self._socket.send_json({"seconds": round(at - began, 3), "top": top, "dropped": self._dropped})

    def _named(self, places: NDArray[np.intp], scores: NDArray[np.float32]) -> list[dict[str, Any]]:
        config = self._config
        return [
            {"index": config.class_indices[place], "name": config.class_names[place], "score": score}
            for place, score in zip(places.tolist(), scores.tolist(), strict=True)
        ]
