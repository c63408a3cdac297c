"""The job as a user runs it, on Ray, and killed at any moment."""

import random
import signal
import subprocess
import sys

import pytest

from tests.support.clusters import command_of, descendants
from tests.support.dataset import ROOT, job_environment, messages
from tests.support.trainings import SMALL, curve, record_of, write_features, write_videos

EPOCHS = 60


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("features"), 600)


def command(dataset, output, *options):
    job = [sys.executable, str(ROOT / "jobs" / "train_classifier.py"), "--features", str(dataset)]
    return [*job, "--output", str(output), "--batch-size", "16", *map(str, options)]


def run(dataset, output, *options):
    done = command(dataset, output, *options)
    return subprocess.run(done, capture_output=True, text=True, timeout=550, env=job_environment())


def test_it_trains_on_ray(dataset, tmp_path):
    done = run(dataset, tmp_path / "out", "--epochs", "2", "--workers", "2", "--balance", "--log-format", "json")
    assert done.returncode == 0, done.stderr
    said = messages(done.stderr)
    assert "epoch 2 of 2: training loss" in said
    assert "training.html" in said
    record = record_of(tmp_path / "out")
    assert (record.machine.workers, record.machine.engine, len(record.history)) == (2, "ray", 2)
    assert len({one.videos["training"] for one in record.classes}) == 1


def test_bad_options_exit_with_2_and_touch_nothing(dataset, tmp_path):
    done = run(dataset, tmp_path / "out", "--model", "dense-55", "--epochs", "0")
    assert done.returncode == 2
    assert "did you mean dense-5?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.heavy
def test_it_trains_on_a_folder_of_videos(tmp_path):
    videos, output = write_videos(tmp_path / "videos", 6), tmp_path / "out"
    job = [sys.executable, str(ROOT / "jobs" / "train_classifier.py"), "--videos", str(videos), "--output", str(output)]
    job += ["--model", "c3d", "--model-options", *SMALL, "--recipe", "transfer", "--batch-size", "4"]
    job += ["--fractions", "0.6", "0.4", "0", "--cpus-per-worker", "1"]
    done = subprocess.run(job, capture_output=True, text=True, timeout=300, env=job_environment())
    assert done.returncode == 0, done.stderr
    assert "epoch 21 of 25 (phase 2 of 2): training loss" in done.stderr
    record = record_of(output)
    phases = [(phase.epochs, phase.stages, phase.learning_rate) for phase in record.phases]
    assert phases == [(20, 1, 0.1), (5, 3, 0.01)]
    assert [epoch.phase for epoch in record.history] == [0] * 20 + [1] * 5


def test_a_model_of_the_other_kind_is_told(tmp_path):
    job = [sys.executable, str(ROOT / "jobs" / "train_classifier.py"), "--videos", str(tmp_path), "--output", "out"]
    done = subprocess.run(job, capture_output=True, text=True, timeout=300, env=job_environment())
    assert done.returncode == 2
    assert "model 'dense-5' does not take clips of --videos; those that do: c3d, " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def reference(dataset, tmp_path_factory):
    """What trainings without trouble give, by the number of workers."""
    found = {}
    for workers in (1, 2):
        output = tmp_path_factory.mktemp("reference") / "out"
        done = run(dataset, output, "--epochs", EPOCHS, "--workers", workers)
        assert done.returncode == 0, done.stderr
        found[workers] = output
    return found


@pytest.mark.heavy
@pytest.mark.parametrize("workers", [1, 2])
def test_a_driver_killed_at_random_moments_changes_nothing(dataset, reference, tmp_path, workers):
    output = tmp_path / "out"
    options = ("--epochs", EPOCHS, "--workers", workers)
    moments = random.Random(workers)
    kills = 0
    while kills < 5:
        process = subprocess.Popen(command(dataset, output, *options), env=job_environment())
        try:
            process.wait(moments.uniform(4, 15))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        else:
            assert process.returncode == 0
            break
    assert kills >= 1
    done = run(dataset, output, *options)
    assert done.returncode == 0, done.stderr
    check(output, reference[workers])


@pytest.mark.heavy
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_killed_in_mid_run_change_nothing(dataset, reference, tmp_path, workers):
    output = tmp_path / "out"
    process = subprocess.Popen(
        command(dataset, output, "--epochs", EPOCHS, "--workers", workers),
        stderr=subprocess.PIPE,
        text=True,
        env=job_environment(),
    )
    killed = 0
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(("epoch 3 ", "epoch 20 ")):
            victim = next(pid for pid in descendants(process.pid) if "RayTrainWorker" in command_of(pid))
            subprocess.run(["kill", "-9", str(victim)], check=True)
            killed += 1
    assert process.wait() == 0, "".join(said)
    assert killed == 2
    assert sum(line.startswith("workers were lost") for line in said) == 2
    check(output, reference[workers])


@pytest.mark.heavy
def test_a_stopped_training_says_how_to_go_on(dataset, tmp_path):
    process = subprocess.Popen(
        command(dataset, tmp_path / "out", "--epochs", 5000), stderr=subprocess.PIPE, text=True, env=job_environment()
    )
    for line in process.stderr:
        if line.startswith("epoch 2 "):
            break
    process.terminate()
    _, rest = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the same command resumes" in rest
    assert not (tmp_path / "out" / "lease.json").exists()


def check(output, reference):
    """That a training came to the same end as one without trouble."""
    found, expected = record_of(output), record_of(reference)
    assert curve(found.history) == curve(expected.history)
    assert found.best_epoch == expected.best_epoch
    assert (output / "model.safetensors").read_bytes() == (reference / "model.safetensors").read_bytes()
    assert [result.summary for result in found.splits] == [result.summary for result in expected.splits]
    assert not (output / "state").exists()
    assert not (output / "lease.json").exists()
    assert not [path for path in output.rglob("*") if path.name.startswith(".")]
