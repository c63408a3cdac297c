import logging

import pytest

from cluster.storage import retry
from cluster.storage.retry import RetryPolicy
from tests.support.clocks import Clock


class Flaky:
    """Fails a number of times, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.fixture
def log(caplog):
    with caplog.at_level(logging.INFO, "framemill"):
        yield caplog


def test_short_transient_failures_are_retried_without_a_log_line(log):
    flaky = Flaky(ConnectionResetError(), TimeoutError(), ConnectionRefusedError())
    assert RetryPolicy(10.0, first_seconds=0.01).call("it", flaky) == "answer"
    assert flaky.calls == 4
    assert not log.records


@pytest.mark.parametrize("error", [FileNotFoundError("x"), PermissionError("x"), ValueError("x"), KeyError("x")])
def test_a_permanent_failure_is_raised_at_once(error):
    flaky = Flaky(error)
    with pytest.raises(type(error)):
        RetryPolicy(10.0).call("it", flaky)
    assert flaky.calls == 1


def test_retries_end_after_the_total_time(log, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(retry, "time", clock)
    started = clock.now
    flaky = Flaky(*(TimeoutError(str(number)) for number in range(100)))
    with pytest.raises(TimeoutError):
        RetryPolicy(0.5, first_seconds=0.1, longest_seconds=0.2).call("it", flaky)
    assert 0.3 <= clock.now - started <= 0.5
    assert 3 <= flaky.calls <= 7


def test_a_long_wait_is_logged_once_and_so_is_its_end(log, monkeypatch):
    monkeypatch.setattr(retry, "WARN_AFTER_SECONDS", 0.05)
    error = TimeoutError("https://host/a?sig=SECRET took too long")
    assert RetryPolicy(60.0, first_seconds=0.06).call("gs://bucket/a", Flaky(error, error)) == "answer"
    texts = [record.getMessage() for record in log.records]
    assert len(texts) == len(set(texts)) == 2
    assert texts[0].startswith("retrying gs://bucket/a for up to 60 s: ")
    assert "is available again after" in texts[1]
    assert "SECRET" not in log.text
