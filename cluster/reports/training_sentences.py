"""What the numbers of a training record say, in words.

In: parts of a `TrainingRecord`. Out: sentences of plain text, for the report.
"""

from collections.abc import Sequence
from statistics import median

from cluster.reports.numbers import count_text, duration_text, figure_text, percent_text
from schemas.trainings import TRAINING, Confidence, TemperatureFit, TrainedClass, TrainingRecord

EVEN = 0.02  # temperatures this near to 1 change nothing that one could see


def course(record: TrainingRecord) -> list[str]:
    """How training went: what was kept and why, how it ended, how long it took."""
    return [
        sentence
        for sentence in (
            *(_kept(record), _beside_training(record), *_phases(record)),
            *(_ended(record), _resumed(record), _pace(record)),
        )
        if sentence
    ]


def balance(classes: Sequence[TrainedClass]) -> str:
    """Whether classes have the same number of training videos."""
    counts = [one.videos.get(TRAINING, 0) for one in classes]
    most, least = max(counts), min(counts)
    if most == least:
        return f"Balanced: every class has {count_text(most)} training videos."
    times = f", {figure_text(round(most / least, 1))} times as many" if least else ""
    return (
        f"Not balanced: from {count_text(least)} training videos of the rarest class to {count_text(most)} of the most "
        f"common one{times}."
    )


def temperature(fit: TemperatureFit) -> str:
    """What a temperature means."""
    if abs(fit.temperature - 1) < EVEN:
        return "as near to 1 as makes no difference"
    return "above 1, it was too sure" if fit.temperature > 1 else "below 1, it was not sure enough"


def spread(row: Confidence) -> str:
    """Mean and standard deviation of a probability."""
    return f"{100 * row.mean:.2f} ± {100 * row.standard_deviation:.2f}%"


def correlation(value: float) -> str:
    """A correlation with a minus that is as wide as a digit."""
    return f"{value:.2f}".replace("-", "−")


def _kept(record: TrainingRecord) -> str:
    epoch, last = record.history[record.best_epoch], record.history[-1]
    split = "validation" if epoch.validation else "training"
    name = record.monitor if record.monitor in getattr(epoch, split) else "loss"
    told = figure_text if name == "loss" else percent_text
    value, at_end = getattr(epoch, split).get(name), getattr(last, split).get(name)
    if value is None:
        return f"Epoch {record.best_epoch + 1} was kept; its {split} {_called(name)} is not finite, nor any other."
    sentence = (
        f"Epoch {record.best_epoch + 1} was kept: its {split} {_called(name)}, {told(value)}, was the best of all"
    )
    if last is epoch or at_end is None:
        return f"{sentence}."
    return f"{sentence}; the last, epoch {last.epoch + 1}, had {told(at_end)}."


def _beside_training(record: TrainingRecord) -> str:
    epoch = record.history[record.best_epoch]
    trained, validated = epoch.training.get("hit_at_one"), epoch.validation.get("hit_at_one")
    if trained is None or validated is None:
        return ""
    return (
        f"At epoch {epoch.epoch + 1}, {percent_text(trained)} of the training and {percent_text(validated)} of the "
        "validation videos were right. Training is measured while the weights still change, and with dropout: it can "
        "lie below validation."
    )


def _phases(record: TrainingRecord) -> list[str]:
    """Of several phases, what each trained."""
    if len(record.phases) < 2:
        return []
    sentences = []
    for number, phase in enumerate(record.phases):
        epochs = [epoch.epoch for epoch in record.history if epoch.phase == number]
        if not epochs:
            continue
        what = {None: "all of the network", 1: "the head alone"}.get(phase.stages, f"the last {phase.stages} stages")
        which = f"Epoch {epochs[0] + 1}" if len(epochs) == 1 else f"Epochs {epochs[0] + 1} to {epochs[-1] + 1}"
        sentences.append(
            f"{which} trained {what} ({phase.optimizer}, learning rate {figure_text(phase.learning_rate)})."
        )
    return sentences


def _ended(record: TrainingRecord) -> str:
    if not record.stopped_early:
        return ""
    waited = len(record.history) - 1 - record.best_epoch
    return f"It stopped early: {waited} epoch{'' if waited == 1 else 's'} in a row brought nothing better."


def _resumed(record: TrainingRecord) -> str:
    if not record.resumed_at_epoch:
        return ""
    return f"It was interrupted, and went on at epoch {' and '.join(str(at + 1) for at in record.resumed_at_epoch)}."


def _pace(record: TrainingRecord) -> str:
    seconds = duration_text(median(epoch.seconds for epoch in record.history))
    first, last = record.history[0].learning_rate, record.history[-1].learning_rate
    rate = f"was {figure_text(first)}" if first == last else f"went from {figure_text(first)} to {figure_text(last)}"
    return f"An epoch took {seconds} (the median of {len(record.history)}). The learning rate {rate}."


def _called(metric: str) -> str:
    return "hit@1" if metric == "hit_at_one" else metric.replace("_", " ")
