"""CTC by its definition: every path of a small matrix, and random matrices to try it on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby, product

import numpy as np
from numpy.typing import NDArray


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """The log-probabilities of logits (T, K)."""
    logits = np.asarray(logits, np.float64)
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def random_log_probabilities(seed: int, steps: int, outputs: int, spread: float = 2.0) -> NDArray[np.float64]:
    return log_softmax(np.random.default_rng(seed).normal(0, spread, (steps, outputs)))


def peaked(path: list[int], outputs: int, probability: float = 0.9) -> NDArray[np.float64]:
    """Log-probabilities that give the outputs of a path a probability, and share the rest among the others."""
    values = np.full((len(path), outputs), (1 - probability) / (outputs - 1))
    values[np.arange(len(path)), path] = probability
    return np.log(values)


def spelled_by(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    """The labels that a path spells."""
    return tuple(output for output, _ in groupby(path) if output != blank)


def paths_of(log_probabilities: NDArray[np.float64]) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every path with its probability."""
    steps, outputs = log_probabilities.shape
    for path in product(range(outputs), repeat=steps):
        yield path, float(np.exp(sum(log_probabilities[step, output] for step, output in enumerate(path))))


def sequences_of(log_probabilities: NDArray[np.float64], blank: int) -> dict[tuple[int, ...], float]:
    """Every sequence that can be spelled, with the sum over its paths."""
    sums: dict[tuple[int, ...], float] = defaultdict(float)
    for path, probability in paths_of(log_probabilities):
        sums[spelled_by(path, blank)] += probability
    return dict(sums)
