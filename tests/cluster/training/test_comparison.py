"""The comparison job, from its command line to the page."""

from pathlib import Path

import pytest

from cluster.runs.command_line import parse
from cluster.runs.lifecycle import ExitCode
from cluster.training.comparison import ComparisonOptions, run_comparison
from schemas.errors import InputError
from schemas.trainings import RECORD_FILE
from tests.support.training_records import training_record


def run(*arguments: object) -> tuple[ExitCode, str]:
    lines: list[str] = []
    code = run_comparison(parse(ComparisonOptions, list(map(str, arguments))), lines.append)
    return code, "\n".join(lines)


def trained(folder: Path, classes: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD_FILE).write_text(training_record(classes).to_json())
    return folder


def test_the_page_is_written_and_what_it_says_is_printed(tmp_path: Path) -> None:
    one, other = trained(tmp_path / "one"), trained(tmp_path / "other")
    code, text = run("--trainings", one, other, "--output", tmp_path / "pages" / "comparison.html")
    assert code == ExitCode.DONE
    assert text.startswith("one: ")
    assert text.endswith(f"report: {tmp_path}/pages/comparison.html")
    page = (tmp_path / "pages" / "comparison.html").read_text()
    assert 'href="../one/training.html"' in page


@pytest.mark.parametrize(
    ("outputs", "names"),
    [
        (("runs/by-clip", "runs/by-athlete/"), ("by-clip", "by-athlete")),
        (("runs/a/classifier", "runs/b/classifier"), ("a", "b")),
        (("runs", "runs/again"), ("runs", "runs/again")),
        (("one/x", "two/x/y"), ("one/x", "two/x/y")),
    ],
)
def test_trainings_are_named_by_what_differs(tmp_path: Path, outputs: tuple[str, ...], names: tuple[str, ...]) -> None:
    folders = [f"{tmp_path}/{output}" for output in outputs]
    for folder in folders:
        trained(Path(folder))
    _, text = run("--trainings", *folders, "--output", tmp_path / "page.html")
    said = [line.partition(": ")[0].removeprefix(f"{tmp_path}/") for line in text.splitlines()[:2]]
    assert said == list(names)


def test_what_is_no_training_is_refused_with_everything_that_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / RECORD_FILE).write_text("{}")
    code, _ = run("--trainings", tmp_path / "nothing", broken, "--output", tmp_path / "page.html")
    assert code == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    assert "nothing holds no training.json: it is not the output of a finished training" in said
    assert "schema_version: missing" in said
    code, _ = run(
        "--trainings", trained(tmp_path / "a"), trained(tmp_path / "b", 4), "--output", tmp_path / "page.html"
    )
    assert code == ExitCode.BAD_INPUT
    assert "b has other classes than a" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("trainings", [("a",), ("a", "a"), tuple("abcdefg")])
def test_two_to_six_different_trainings_are_compared(trainings: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="--trainings"):
        parse(ComparisonOptions, ["--output", "page.html", "--trainings", *trainings])
