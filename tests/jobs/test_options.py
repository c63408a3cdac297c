"""Options of all jobs: which there are, how help shows them, and configuration files that give them again."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from cluster.compaction.config import CompactionOptions
from cluster.cutting.config import CuttingOptions
from cluster.datasets.manifest_job import ManifestOptions
from cluster.deploy.submission import SubmissionOptions
from cluster.export.config import JoinOptions
from cluster.extraction.config import ExtractionOptions
from cluster.features.tfrecord_conversion import ConversionOptions
from cluster.live.config import WatchOptions
from cluster.nightly.config import NightlyOptions
from cluster.runs.command_line import parse
from cluster.runs.config_file import config_text
from cluster.runs.option_help import HELP_WIDTH, usage
from cluster.runs.options import Options, options_of
from cluster.scoring.config import ScoringOptions
from cluster.serving.config import ServeOptions
from cluster.timelines.evaluation_job import EvaluationOptions
from cluster.training.comparison import ComparisonOptions
from cluster.training.config import TrainingOptions
from cluster.transcription.config import TranscriptionOptions
from jobs.make_recordings import RecordingOptions
from jobs.make_sample_videos import SampleOptions
from schemas.errors import InputError
from tests.support.dataset import ROOT

# Scripts give them: one that is missing breaks somebody's night.
FLAGS = {
    "extract_features": """
        input output partition exclude follow-links allow-local-files allow-private-redirects copy-limit-mib
        copy-time-limit weights pca audio-weights audio-pca fps sampling frame-features max-seconds
        segment-seconds max-grid-points max-pixels precision rows-per-shard engine address beam-options workers pools
        embed-workers time-limit memory-limit-mib cluster-wait retry-failed max-failure-ratio redo-earlier dry-run quiet
        price-core-hour price-gpu-hour gpu-frames-per-second log-format
    """,
    "score_videos": """
        checkpoint labels features videos code-range exclude follow-links allow-local-files allow-private-redirects
        copy-limit-mib copy-time-limit embeddings views crops date only-new top-k threshold
        timeline sensitive sensitive-class timeline-hz stride window memory-seconds timeline-top-k event-threshold
        event-end-threshold
        event-min-seconds event-gap-seconds vtt events-csv submission max-frames rows-per-shard precision backend
        max-pixels engine address workers pools embed-workers time-limit
        memory-limit-mib cluster-wait beam-options retry-failed max-failure-ratio quiet log-format
    """,
    "transcribe_lips": """
        checkpoint input output srt vtt rows-per-shard max-pixels crop face window overlap beam lexicon language-model
        lm-weight word-bonus exclude follow-links allow-local-files allow-private-redirects copy-limit-mib
        copy-time-limit engine address beam-options workers pools embed-workers time-limit memory-limit-mib cluster-wait
        retry-failed max-failure-ratio quiet log-format previews
    """,
    "train_classifier": """
        output features videos code-range labels exclude follow-links allow-local-files allow-private-redirects
        copy-limit-mib copy-time-limit model model-options init-weights init-head classes vocabulary
        task balance split split-column split-seed fractions validation-features test-features max-frames recipe phases
        placement short start-seconds speed augment random-crop fps flow views crops crop face alphabet curriculum
        curriculum-decay epochs batch-size accumulate
        optimizer learning-rate momentum weight-decay schedule warmup-steps hold-epochs decay-epochs decay-rate
        decay-floor l1 l2 label-smoothing class-weights max-gradient-norm precision monitor patience seed
        workers cpus-per-worker device recompute decoders clip-cache time-limit memory-limit-mib
        keep-frozen-mib max-failure-ratio engine address without-pictures quiet log-format
    """,
    "nightly": """
        videos features checkpoint labels date exclude follow-links allow-local-files allow-private-redirects
        copy-limit-mib copy-time-limit weights pca audio-weights audio-pca fps sampling
        frame-features max-seconds precision top-k threshold views crops clip-precision backend timeline sensitive
        sensitive-class timeline-hz stride window memory-seconds timeline-top-k event-threshold event-end-threshold
        event-min-seconds event-gap-seconds vtt events-csv sure-from without-pictures engine address workers pools
        embed-workers time-limit memory-limit-mib cluster-wait retry-failed max-failure-ratio quiet log-format
    """,
    "make_manifest": """
        dataset input output exclude follow-links allow-local-files allow-private-redirects
        annotations split-number classes test validation seed split-by lower-case skip-missing
    """,
    "convert_tfrecords": """
        input output to level code-range
    """,
    "compact_features": """
        output partition dry-run rows-per-shard small-rows quiet log-format
    """,
    "cut_clips": """
        annotations videos output cut clips crf without-sound tfrecords record-size from-tfrecords max-pixels format
        frame-rate label-from group-from merge-spellings test validation seed split-by exclude follow-links
        allow-local-files allow-private-redirects copy-limit-mib copy-time-limit engine address workers time-limit
        memory-limit-mib cluster-wait retry-failed max-failure-ratio quiet log-format
    """,
    "evaluate_events": """
        labels date truth subset annotated-only evaluator thresholds output activitynet-results
    """,
    "serve": """
        checkpoint host port proxies token-file corrections corrections-mib top-k threshold
        timeline-hz stride window memory-seconds timeline-top-k event-threshold event-end-threshold event-min-seconds
        event-gap-seconds crop face beam lexicon language-model lm-weight word-bonus
        weights pca audio-weights audio-pca address decoders network-replicas gpus-per-network precision
        uploads max-upload-mib max-duration max-pixels upload-time idle-time retention storage-mib allow-uris
        allow-private-uris time-limit memory-limit-mib segment-seconds work-time queue client-queue client-rate
        live-sessions quiet log-format
    """,
    "make_sample_videos": """
        output count nights seed
    """,
    "make_recordings": """
        output athletes repetitions seed
    """,
    "compare_trainings": """
        trainings output
    """,
    "join_streams": """
        rgb flow output
    """,
    "submit": """
        working-dir
    """,
    "watch": """
        checkpoint source top-k stride memory-seconds record loop duration precision backend threads timeout
        reconnects max-pixels quiet log-format
    """,
}
KINDS: dict[str, type[Options]] = {
    "extract_features": ExtractionOptions,
    "score_videos": ScoringOptions,
    "transcribe_lips": TranscriptionOptions,
    "train_classifier": TrainingOptions,
    "nightly": NightlyOptions,
    "make_manifest": ManifestOptions,
    "convert_tfrecords": ConversionOptions,
    "compact_features": CompactionOptions,
    "cut_clips": CuttingOptions,
    "evaluate_events": EvaluationOptions,
    "make_sample_videos": SampleOptions,
    "make_recordings": RecordingOptions,
    "compare_trainings": ComparisonOptions,
    "join_streams": JoinOptions,
    "submit": SubmissionOptions,
    "watch": WatchOptions,
    "serve": ServeOptions,
}
LINES = {
    "extract_features": (
        "--input i --output o",
        "--input i --output o --fps 30000/1001 --frame-features --max-seconds 360 --pools apart --time-limit 1.5 "
        "--engine beam --beam-options runner=X a=b --retry-failed --max-failure-ratio 0 --quiet --address auto "
        "--exclude trailers *.part.mp4",
    ),
    "score_videos": (
        "--checkpoint c d --labels l --features f g --max-frames 3 --threshold 0.5 --only-new --submission s.csv",
        "--checkpoint c --labels l --videos v --views 3 --crops 1 --embeddings e --retry-failed empty",
    ),
    "transcribe_lips": (
        "--input i --checkpoint c --output o",
        "--input i --checkpoint c --output o --srt s --vtt t --beam 20 --lexicon l --language-model m --lm-weight 0.5 "
        "--word-bonus -1 --window 100 --overlap 30 --crop found --face 2 --engine local --retry-failed no_face "
        "--previews 3",
    ),
    "train_classifier": (
        "--output o --features f --split folders --validation-features v --batch-size 7 --classes first:5",
        "--output o --videos v --model c3d --recipe transfer --clip-cache cache --fps 5 --speed 1 1 --recompute",
        "--output o --videos v --model c3d --augment flip=0.5 --placement random --speed 0.8 1.25 "
        "--phases=stages=1 --epochs 20",
    ),
    "nightly": (
        "--videos i --features f --checkpoint c --labels l --date 2026-01-02",
        "--videos i --features f --checkpoint c --labels l --weights random:0 --retry-failed empty --sure-from 0.6",
        "--videos i --checkpoint c --labels l --stride 2.5 --pools apart --timeline --event-threshold 0.7",
    ),
    "make_manifest": ("--dataset ucf101 --input i --output o.csv --annotations a --classes x y --test 0",),
    "convert_tfrecords": (
        "--input i --output o --to tfrecord --level frame",
        "--input i --output o --to parquet --code-range -1..3",
    ),
    "compact_features": ("--output o", "--output o --partition 1/4 --rows-per-shard 4096 --small-rows 100 --dry-run"),
    "cut_clips": (
        "--annotations a --videos v --output o.csv --cut exact --clips c --crf 12 --tfrecords t --record-size 128",
        "--annotations a --videos v --output o.jsonl --format elan --frame-rate 30000/1001 --label-from value "
        "--group-from person --split-by clip --test 0 --merge-spellings --cut keyframes --clips c --without-sound",
        "--from-tfrecords t --output o.parquet --cut exact --clips c",
    ),
    "evaluate_events": (
        "--labels l --truth t.csv --date 2026-01-02 --subset s --evaluator thumos --thresholds 0.5 --output o.json",
        "--labels l --activitynet-results r.json",
    ),
    "make_sample_videos": ("--output o --count 3",),
    "make_recordings": ("--output o --athletes 3 --repetitions 2 --seed 4",),
    "compare_trainings": ("--trainings a b --output o.html",),
    "join_streams": ("--rgb a --flow b --output o",),
    "submit": ("--working-dir d",),
    "serve": (
        "--checkpoint c d --host 0.0.0.0 --token-file t --stride 0.5 --decoders 2 --allow-uris --allow-private-uris",
        "--checkpoint c --port 0 --weights w --corrections k --retention 60 --gpus-per-network 0.5",
        "--checkpoint c --crop found --face 2 --lexicon words.txt --language-model m.arpa --lm-weight 0.8 --beam 100",
    ),
    "watch": (
        "--checkpoint c d --source rtsp://camera/1 --record r.parquet --top-k 3 --duration 5 --threads 1",
        "--checkpoint c --source v.mp4 --loop --stride 0.5 --precision fp32 --timeout 3 --reconnects 0",
    ),
}
LOCAL = ("make_sample_videos", "make_recordings")  # write to this machine alone
# Options of places that a job writes to.
WRITTEN = {
    "extract_features": ("--input i --output w", "output"),
    "score_videos": (
        "--checkpoint c --videos v --labels w1 --embeddings w2 --submission w3.csv",
        "labels embeddings submission",
    ),
    "transcribe_lips": ("--input i --checkpoint c --output w1 --srt w2 --vtt w3", "output srt vtt"),
    "train_classifier": ("--videos v --model c3d --output w1 --clip-cache w2", "output clip-cache"),
    "nightly": (
        "--videos v --checkpoint c --features w1 --labels w2 --timeline --vtt w3 --events-csv w4.csv",
        "features labels vtt events-csv",
    ),
    "make_manifest": ("--dataset folders --input i --output w.csv", "output"),
    "convert_tfrecords": ("--input i --to parquet --output w", "output"),
    "compact_features": ("--output w", "output"),
    "cut_clips": (
        "--annotations a --videos v --output w1.csv --cut exact --clips w2 --tfrecords w3",
        "output clips tfrecords",
    ),
    "evaluate_events": (
        "--labels l --truth t --output w1 --activitynet-results w2",
        "output activitynet-results",
    ),
    "make_sample_videos": ("--output w", "output"),
    "make_recordings": ("--output w", "output"),
    "compare_trainings": ("--trainings a b --output w.html", "output"),
    "join_streams": ("--rgb a --flow b --output w", "output"),
    "watch": ("--checkpoint c --source v --record w", "record"),
    "serve": ("--checkpoint c --uploads w1 --corrections w2", "uploads corrections"),
}

# Prints the help of all jobs, and which libraries it has brought that take seconds to import.
HELP = """
import contextlib, runpy, sys
for job in sys.argv[1:]:
    sys.argv[1:] = ["--help"]
    with contextlib.suppress(SystemExit):
        runpy.run_path(job, run_name="__main__")
print({"torch", "apache_beam", "tensorflow"} & sys.modules.keys())
"""


@pytest.mark.parametrize("job", FLAGS)
def test_a_job_has_its_flags_and_no_others(job: str) -> None:
    text = usage(KINDS[job], import_module(f"jobs.{job}").__doc__)
    flags = re.findall(r"^  --([a-z0-9-]+)", text, re.MULTILINE)
    assert sorted(flags) == sorted([*FLAGS[job].split(), "config"])


def test_help_needs_no_heavy_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELP, *(str(ROOT / "jobs" / f"{job}.py") for job in FLAGS)],
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    assert done.stdout.count("usage: ") == len(FLAGS)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("job", WRITTEN)
def test_places_that_a_job_writes_to_are_not_in_the_folder_of_a_ray_job(
    job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runtime_resources" / "working_dir_files" / "_ray_pkg_1"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    arguments, names = WRITTEN[job]
    with pytest.raises(InputError) as caught:
        parse(KINDS[job], arguments.split())
    assert [problem.split()[0] for problem in caught.value.problems] == [f"--{name}" for name in names.split()]
    for problem in caught.value.problems:
        assert f"must not be in {folder}, which Ray deletes after the job: give a URI, or the absolute path" in problem
    place = str(tmp_path / "w") if job in LOCAL else "gs://bucket/w"
    assert parse(KINDS[job], arguments.replace(" w", f" {place}").split())


@pytest.mark.parametrize("job", FLAGS)
def test_help_fits_and_begins_with_usage_and_two_examples(job: str) -> None:
    lines = usage(KINDS[job], import_module(f"jobs.{job}").__doc__).splitlines()
    assert all(len(line) <= HELP_WIDTH for line in lines), max(lines, key=len)
    assert lines[0].startswith("usage: ")
    assert lines[0].endswith(" [option …]")
    examples = lines[lines.index("Examples:") + 1 : lines.index("Main options:") - 1]
    assert len(examples) == 2
    for example in examples:
        arguments = example.partition(f"jobs/{job}.py ")[2].partition("-- ")[0].split()
        if "--config" not in arguments:
            parse(KINDS[job], arguments)


@pytest.mark.parametrize(("job", "line"), [(job, line) for job, lines in LINES.items() for line in lines])
def test_a_file_that_is_written_gives_the_same_options(tmp_path: Path, job: str, line: str) -> None:
    options = parse(KINDS[job], line.split())
    path = tmp_path / "run.toml"
    path.write_text(config_text(options, "a run"))
    assert parse(KINDS[job], ["--config", str(path)]) == options
    # Nothing of it comes from defaults, but for what has no value.
    named = set(re.findall(r"^([a-z0-9-]+) = ", path.read_text(), re.MULTILINE))
    given = {name.replace("_", "-") for name, value in options.flat().items() if value is not None}
    assert named == given
    assert given <= {found.name for found in options_of(KINDS[job]).values()}
