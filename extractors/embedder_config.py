"""Configuration of the embedders: weights, PCA, and how inference runs."""

from __future__ import annotations

from dataclasses import dataclass

from extractors.weights.resolve import ResolvedWeights

EMBEDDING_VERSION = "2"  # incremented whenever the same input and weights give other numbers in fp32
ROUNDING_VERSION = "2"  # incremented whenever they do so in other precisions alone


@dataclass(frozen=True)
class EmbedderConfig:
    """Weights, PCA, and how inference runs.

    precision   a precision of the device, or `auto` (`extractors.networks.precision`)
    batch_size  None for the device's default
    threads     of torch, for the whole process; None for torch's default
    """

    weights: ResolvedWeights
    pca: ResolvedWeights | None = None
    precision: str = "auto"
    batch_size: int | None = None
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("batch_size", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    @property
    def is_random(self) -> bool:
        """Whether weights or PCA are random: the log and the metadata of the run must say so."""
        return self.weights.is_random or bool(self.pca and self.pca.is_random)

    def _resolved_precision(self) -> str:
        """The precision; unchecked if given by name, since it may be for another machine."""
        if self.precision != "auto":
            return self.precision
        from extractors.networks.precision import resolve_device, resolve_precision

        return resolve_precision("auto", resolve_device(self.device))

    def fingerprint_parts(self) -> dict[str, str]:
        """The settings that must be equal for two embeddings to be comparable; loads no network."""
        precision = self._resolved_precision()
        return {
            "weights": self.weights.fingerprint,
            "pca": self.pca.fingerprint if self.pca else "none",
            "precision": precision,
            "embedding_version": EMBEDDING_VERSION,
            **({} if precision == "fp32" else {"rounding_version": ROUNDING_VERSION}),
        }


class FrameEmbedderConfig(EmbedderConfig):
    """Weights of kind `frames`, a PCA of kind `frame-pca`."""


class AudioEmbedderConfig(EmbedderConfig):
    """Weights of kind `sound`, a PCA of kind `sound-pca`; no int8."""

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if self.precision == "int8":
            raise ValueError("the audio network has no int8 form; use the precision of `resolve_audio_precision`")
