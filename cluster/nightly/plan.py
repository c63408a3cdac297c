"""The plan of a night: checkpoints, videos and weights read and checked, the parts that follow from them, the engine.

What a night labels follows from its checkpoints: the features that it extracts, or the videos themselves, in which case
features are extracted only where a dataset takes them. Everything that can be wrong is found before any work is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace

from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.weights.checkpoint import CheckpointError, check_fingerprint
from cluster.engines.base import Engine
from cluster.engines.deferred import DeferredEngine
from cluster.extraction.job import planned
from cluster.extraction.plan import Inputs, Plan, read_inputs
from cluster.extraction.recorded import recorded_settings
from cluster.nightly.config import NightlyOptions, NightlySettings
from cluster.nightly.day_record import NightSubject
from cluster.nightly.parts.base import LabelPart, NightPart, VideoPart
from cluster.nightly.parts.extraction import Extraction
from cluster.nightly.parts.feature_labels import FeatureLabels
from cluster.nightly.parts.outcome import PartOutcome
from cluster.nightly.parts.video_labels import VideoLabels
from cluster.nightly.records import NightRecords
from cluster.nightly.related_pages import night_title, training_pages
from cluster.reports.links import PageLink
from cluster.runs.options import attempt
from cluster.scoring.clip_plan import ClipInputs, read_clip_inputs
from cluster.scoring.config import OF_FEATURES, OF_VIDEOS
from cluster.scoring.feature_plan import step_grid
from cluster.scoring.plan import kind_of, read_checkpoint_at
from cluster.storage import files
from cluster.timelines.config import TimelineOptions
from cluster.timelines.sensitive import counting_places
from schemas.errors import InputError


@dataclass(frozen=True, kw_only=True)
class NightInputs:
    """Checkpoints, manifest and weights of a night, read and verified.

    extraction  of features, where any are wanted
    labels      the classifier of these, or what a classifier of clips labels
    """

    settings: NightlySettings
    extraction: Inputs | None
    labels: TrainedClassifier | ClipInputs


@dataclass(frozen=True)
class NightPlan:
    """A night that can start: with the `extraction` of features where any are wanted, and with `labels`."""

    extraction: Extraction | None
    labels: LabelPart

    @property
    def parts(self) -> tuple[NightPart, ...]:
        """All of them, in the order in which they are carried out."""
        return (self.labels,) if self.extraction is None else (self.extraction, self.labels)

    @property
    def video_parts(self) -> list[VideoPart]:
        """Those that work on videos."""
        return [part for part in self.parts if isinstance(part, VideoPart)]

    @property
    def first(self) -> VideoPart:
        """The part whose videos are those of the night: new, changed or retried."""
        return self.video_parts[0]

    @property
    def subject(self) -> NightSubject:
        """What the night works with."""
        plan = None if self.extraction is None else self.extraction.plan
        return NightSubject(
            model=self.labels.classifier.name,
            labels_of=self.labels.labels_of,
            extracts=plan is not None,
            fingerprint={**({} if plan is None else plan.fingerprint), **self.labels.fingerprint},
            weights_warning=None if plan is None else plan.weights_warning,
        )

    def outcome_of(self, name: str, run_id: str) -> PartOutcome | None:
        """What an earlier run of the part `name` did, as far as is known."""
        found = next((part for part in self.parts if part.name == name), None)
        return None if found is None else found.outcome_of(run_id)


def read_night(options: NightlyOptions) -> NightInputs:
    """Read everything. Raises `InputError` with all that is wrong, or `OSError`."""
    # Where the checkpoints cannot be read, the other problems are those of the night that is most likely meant.
    likely = OF_VIDEOS if options.features is None else OF_FEATURES
    kind = kind_of(options.checkpoint) or likely
    recorded = None if options.features is None else recorded_settings(options.features)
    settings = options.settings(kind, recorded)
    problems: list[str] = []
    extraction: Inputs | None = None
    if settings.extraction is not None:
        try:
            extraction = read_inputs(settings.extraction)
        except InputError as error:
            problems += error.problems
    labels: TrainedClassifier | ClipInputs | None = None
    if kind == OF_FEATURES:
        labels = _read_classifier(options, problems)
    else:
        videos = None if settings.extraction is None else extraction.videos if extraction is not None else []
        labels = attempt(lambda: read_clip_inputs(settings.scoring, videos), problems)
    if problems or labels is None:
        raise InputError(*problems)
    return NightInputs(settings=settings, extraction=extraction, labels=labels)


def _read_classifier(options: NightlyOptions, problems: list[str]) -> TrainedClassifier | None:
    found: TrainedClassifier | None = None
    try:
        found = TrainedClassifier({uri: read_checkpoint_at(uri) for uri in options.checkpoint})
    except (CheckpointError, InputError, OSError) as error:
        problems.append(str(error))
    try:
        files.check_writable(options.labels)
    except InputError as error:
        problems += error.problems
    return found


@contextmanager
def planned_night(inputs: NightInputs) -> Iterator[tuple[NightPlan, Engine]]:
    """A night that can start, and its engine. Raises `InputError` or `ImportError` where it cannot start."""
    settings, options = inputs.settings, inputs.settings.options
    with ExitStack() as stack:
        extraction: Extraction | None = None
        engine: Engine
        if settings.extraction is None or inputs.extraction is None:
            staging = files.join(options.labels, "staging")
            engine = stack.enter_context(closing(DeferredEngine(options.engine, staging)))
        else:
            plan, engine = stack.enter_context(planned(settings.extraction, inputs.extraction))
            page = PageLink(night_title(settings.date), NightRecords(options.labels).page_uri(settings.date))
            # Those of a night that looks for sensitive scenes are blurred, and the pages of extractions blur none.
            has_pictures = not (options.report.without_pictures or options.timelines.sensitive)
            related = (page, *training_pages(options))
            extraction = Extraction(replace(plan, related=related, has_pictures=has_pictures), engine)
        yield NightPlan(extraction, _labels(inputs, extraction, engine)), engine


def _labels(inputs: NightInputs, extraction: Extraction | None, engine: Engine) -> LabelPart:
    if isinstance(inputs.labels, ClipInputs):
        return VideoLabels(inputs.labels, engine)
    assert extraction is not None  # checked by the options
    _check_fit(inputs.labels, extraction.plan, inputs.settings.options.timelines)
    return FeatureLabels(inputs.settings.scoring, inputs.labels, extraction.plan.dataset, engine)


def _check_fit(classifier: TrainedClassifier, plan: Plan, timelines: TimelineOptions) -> None:
    """Check that the classifier takes the features that would be extracted, before a night is spent on them."""
    problems: list[str] = []
    has_frames = plan.options.sampling.frame_features
    try:
        check_fingerprint(classifier.config, plan.fingerprint, "what these options extract")
    except CheckpointError as error:
        problems.append(str(error))
    if classifier.level == "frame" and not has_frames:
        problems.append(f"model {classifier.name} takes the features of single frames: give --frame-features")
    if timelines.timeline:
        attempt(lambda: step_grid(plan.fingerprint, timelines), problems)
        if timelines.sensitive:
            attempt(lambda: counting_places(classifier, timelines.sensitive_class or ()), problems)
        if not has_frames:
            problems.append("--timeline takes the features of single frames: give --frame-features")
    if problems:
        raise InputError(*problems)
