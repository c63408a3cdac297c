"""What the stages that run a network on clips have in common: their network, and what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from cluster.engines.stage import Network
from cluster.scoring.backends import ClipRunner
from cluster.scoring.clip_network import ClipNetwork
from extractors.flow.fields import require_flow
from schemas.clips import ClipFormat


@dataclass(frozen=True, kw_only=True)
class ClipStage:
    """The part of a `VideoStage` that is the same for all of them. Cheap to pickle."""

    network: ClipRunner
    clip_format: ClipFormat
    max_pixels: int

    @property
    def networks(self) -> dict[str, Network]:
        """The only one, if it can run elsewhere."""
        return {"network": self.network} if isinstance(self.network, ClipNetwork) else {}

    def with_networks(self, networks: Mapping[str, Any]) -> Self:
        """The same stage with another network."""
        return replace(self, **networks)

    def setup(self) -> None:
        """Build the network, once per process."""
        require_flow(self.clip_format.flow)
        self.network.setup()
