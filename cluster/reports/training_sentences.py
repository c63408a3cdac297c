"""Sentences of the training report.

In: parts of a `TrainingRecord`. Out: plain text.
"""

from collections.abc import Sequence
from statistics import median

from cluster.reports.numbers import (
    FEW,
    accuracy_text,
    count_text,
    duration_text,
    figure_text,
    percent_text,
)
from cluster.reports.training_tables import early_frame, metric_text
from schemas.evaluations import Confidence, FrameAccuracy, SplitResult, TemperatureFit
from schemas.text import counted
from schemas.trainings import TRAINING, VALIDATION, TrainedClass, TrainingRecord

CALIBRATED = 0.02  # distance from 1 below which a temperature has no visible effect


def summary(record: TrainingRecord) -> list[str]:
    """The course of a training: which epoch was kept and why, how it ended, how long it took."""
    return [
        sentence
        for sentence in (
            *(_kept(record), _accuracies(record), *_phases(record)),
            *(_ended(record), _resumed(record), _pace(record)),
        )
        if sentence
    ]


def balance(classes: Sequence[TrainedClass]) -> str:
    """How evenly the training videos are distributed over the classes."""
    counts = [one.videos.get(TRAINING, 0) for one in classes]
    most, least = max(counts), min(counts)
    if most == least:
        return f"Balanced: every class has {counted(most, 'training video')}."
    times = f", {figure_text(round(most / least, 1))} times as many" if least else ""
    return (
        f"Imbalanced: the rarest class has {counted(least, 'training video')}, the most common one "
        f"{count_text(most)}{times}."
    )


def temperature(fit: TemperatureFit) -> str:
    """What a temperature says about the calibration of a model."""
    if abs(fit.temperature - 1) < CALIBRATED:
        return "close to 1, the model was well calibrated"
    return "above 1, the model was overconfident" if fit.temperature > 1 else "below 1, the model was underconfident"


def early(found: FrameAccuracy) -> str:
    """How early a stream network knows."""
    position, last = early_frame(found), len(found.shares) - 1
    first, known, whole = (accuracy_text(found.shares[i], found.videos) for i in (0, position, last))
    videos = f"{'of the ' if found.videos >= FEW else ''}validation videos"
    sentence = f"After {seen_text(found, 0)}, {first} {videos} were classified correctly"
    at_end = f"nearly as many as from whole clips ({whole} after {seen_text(found, last)})"
    if position == 0:
        return f"{sentence}, {at_end}."
    return f"{sentence}; after {seen_text(found, position)}, {known}, {at_end}."


def seen_text(found: FrameAccuracy, position: int) -> str:
    """What was seen of a clip after the frame at `position`: seconds, or frames where these are not at a fixed rate."""
    frames = position + 1
    if found.fps:
        return f"{figure_text(frames / found.fps)} s"
    return counted(frames, "frame")


def groups(split: SplitResult) -> str:
    """Whether the groups of a split are known from training, and what this says about the accuracy on it."""
    known, count = split.known_groups, split.group_count
    if not known:
        return "No group has training videos: this is the accuracy on groups that the network has never seen."
    which = "All groups have" if known == count else f"{count_text(known)} of {count_text(count)} groups have"
    return (
        f"{which} training videos as well: some of the accuracy may be knowledge of these groups, not of the classes. "
        "A split by group shows how much."
    )


def mean_and_deviation(row: Confidence) -> str:
    """Mean and standard deviation of a probability; of one video, its probability."""
    if row.support < 2:
        return percent_text(row.mean)
    return f"{100 * row.mean:.2f} ± {100 * row.standard_deviation:.2f}%"


def correlation(value: float) -> str:
    """Write a correlation, with a typographic minus sign."""
    return f"{value:.2f}".replace("-", "−")


def _kept(record: TrainingRecord) -> str:
    epoch, last = record.history[record.best_epoch], record.history[-1]
    split = "validation" if epoch.validation else "training"
    name = record.monitor if record.monitor in getattr(epoch, split) else "loss"
    videos = record.split_sizes.get(split, 0)
    value, at_end = getattr(epoch, split).get(name), getattr(last, split).get(name)
    if value is None:
        return f"Epoch {record.best_epoch + 1} was kept; no epoch has a finite {split} {_title(name)}."
    best = metric_text(name, value, videos)
    sentence = f"Epoch {record.best_epoch + 1} was kept: its {split} {_title(name)} of {best} was the best"
    if last is epoch or at_end is None:
        return f"{sentence}."
    return f"{sentence}; the last epoch, {last.epoch + 1}, had {metric_text(name, at_end, videos)}."


def _accuracies(record: TrainingRecord) -> str:
    epoch = record.history[record.best_epoch]
    trained, validated = epoch.training.get("hit_at_one"), epoch.validation.get("hit_at_one")
    if trained is None or validated is None:
        return ""
    return (
        f"At epoch {epoch.epoch + 1}, {_part(trained, TRAINING, record)} and {_part(validated, VALIDATION, record)} "
        "were classified correctly. Training accuracy is measured during the epoch and with dropout, so it can be "
        "below validation accuracy."
    )


def _part(share: float, split: str, record: TrainingRecord) -> str:
    videos = record.split_sizes.get(split, 0)
    return f"{accuracy_text(share, videos)} {'of the ' if videos >= FEW else ''}{split} videos"


def _phases(record: TrainingRecord) -> list[str]:
    """What each phase trained, if there are several."""
    if len(record.phases) < 2:
        return []
    sentences = []
    for number, phase in enumerate(record.phases):
        epochs = [epoch.epoch for epoch in record.history if epoch.phase == number]
        if not epochs:
            continue
        what = {None: "the whole network", 1: "only the head"}.get(phase.stages, f"the last {phase.stages} stages")
        which = f"Epoch {epochs[0] + 1}" if len(epochs) == 1 else f"Epochs {epochs[0] + 1} to {epochs[-1] + 1}"
        sentences.append(
            f"{which} trained {what} ({phase.optimizer}, learning rate {figure_text(phase.learning_rate)})."
        )
    return sentences


def _ended(record: TrainingRecord) -> str:
    if not record.stopped_early:
        return ""
    waited = len(record.history) - 1 - record.best_epoch
    return f"It stopped early, after {counted(waited, 'epoch')} without improvement."


def _resumed(record: TrainingRecord) -> str:
    if not record.resumed_at_epoch:
        return ""
    epochs = " and ".join(str(epoch + 1) for epoch in record.resumed_at_epoch)
    return f"It was interrupted and resumed at epoch{'' if len(record.resumed_at_epoch) == 1 else 's'} {epochs}."


def _pace(record: TrainingRecord) -> str:
    seconds = duration_text(median(epoch.seconds for epoch in record.history))
    first, last = record.history[0].learning_rate, record.history[-1].learning_rate
    rate = f"was {figure_text(first)}" if first == last else f"went from {figure_text(first)} to {figure_text(last)}"
    return f"An epoch took {seconds} (median of {len(record.history)}). The learning rate {rate}."


def _title(metric: str) -> str:
    return "hit@1" if metric == "hit_at_one" else metric.replace("_", " ")
