import pytest

from cluster.engines.options import EngineOptions
from cluster.extraction.config import ExtractionOptions
from cluster.runs.command_line import parse
from cluster.runs.option_help import usage
from cluster.runs.options import options_of
from extractors.sampling import SamplingConfig
from schemas.errors import InputError
from schemas.outcomes import FailureCode

PLACES = ["--input", "in", "--output", "out"]


def problems(line: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        parse(ExtractionOptions, [*PLACES, *line.split()])
    return caught.value.problems


def test_two_places_are_enough():
    config = parse(ExtractionOptions, PLACES)
    assert config == ExtractionOptions(input="in", output="out")
    assert config.sampling_config() == SamplingConfig()
    assert config.engine == EngineOptions()


def test_options_reach_what_they_configure():
    line = (
        "--fps 30000/1001 --max-seconds 360 --segment-seconds 60 --max-pixels 1000 --frame-features "
        "--workers 3 --embed-workers 2 --pools apart --time-limit 1.5 --memory-limit-mib 2 --address auto "
        "--cluster-wait 9"
    )
    config = parse(ExtractionOptions, [*PLACES, *line.split()])
    assert config.sampling_config() == SamplingConfig("30000/1001", 60, True, 360, 1000)
    assert config.engine == EngineOptions(
        workers=3,
        embed_workers=2,
        pools="apart",
        time_limit=1.5,
        memory_limit_mib=2,
        cluster_wait=9.0,
        address="auto",
    )


def test_failures_are_taken_up_by_code_or_all():
    assert parse(ExtractionOptions, PLACES).failures.retry_failed is None
    assert parse(ExtractionOptions, [*PLACES, "--retry-failed"]).failures.retry_failed == ()
    every = [str(code) for code in FailureCode]
    assert parse(ExtractionOptions, [*PLACES, "--retry-failed", *every]).failures.retry_failed == tuple(every)
    assert "did you mean truncated?" in problems("--retry-failed trunkated")[0]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("--rows-per-shard 0", "--rows-per-shard must be at least 1, not 0"),
        ("--workers -1", "--workers must be at least 1"),
        ("--embed-workers 0", "--embed-workers must be at least 1"),
        ("--segment-seconds 0", "--segment-seconds must be at least 1"),
        ("--max-seconds 0", "--max-seconds must be at least 1"),
        ("--max-pixels 0", "--max-pixels must be at least 1"),
        ("--memory-limit-mib 0", "--memory-limit-mib must be at least 1"),
        ("--time-limit nan", "--time-limit must be above 0 and finite, not nan"),
        ("--time-limit inf", "--time-limit must be above 0 and finite, not inf"),
        ("--max-failure-ratio 1.1", "--max-failure-ratio must be between 0 and 1, not 1.1"),
        ("--max-failure-ratio nan", "--max-failure-ratio must be between 0 and 1, not nan"),
        ("--fps 0", "--fps must be a number above 0, such as 1, 0.5 or 30000/1001, not '0'"),
        ("--fps 1/0", "--fps must be a number above 0"),
        ("--fps inf", "--fps must be a number above 0"),
        ("--fps one", "--fps must be a number above 0"),
        ("--engine rya", "--engine is one of "),
        ("--precision fp8", "--precision is one of auto, "),
        ("--exclude a**b", "--exclude must be a name or a path with wildcards"),
        ("--log-format xml", "--log-format is one of text, json, not 'xml'"),
    ],
)
def test_values_that_make_no_sense_are_refused(arguments, problem):
    (found,) = problems(arguments)
    assert found.startswith(problem)


def test_empty_places_are_refused():
    with pytest.raises(InputError) as caught:
        parse(ExtractionOptions, ["--input=", "--output= "])
    assert caught.value.problems == ("--input must not be empty", "--output must not be empty")


def test_all_values_are_checked_at_once():
    found = problems("--workers 0 --fps x --max-failure-ratio 2 --segment-seconds 0 --wrokers 3")
    assert [problem.split()[0] for problem in found] == [
        "--workers",
        "--fps",
        "--max-failure-ratio",
        "--segment-seconds",
        "unknown",
    ]
    assert found[4] == "unknown option --wrokers; did you mean --workers?"


def test_help_names_every_option():
    text = usage(ExtractionOptions, "What it does.")
    for option in options_of(ExtractionOptions).values():
        assert f"  --{option.name}" in text
    for code in FailureCode:
        assert code in text
