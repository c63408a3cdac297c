"""The comparison job, from options to an exit code: the records of finished trainings ─► one page."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass

from typing_extensions import override

from cluster.reports.comparison_report import MAX_TRAININGS, compared, findings, problems_of, render_comparison
from cluster.reports.context import PageContext
from cluster.reports.links import PageLink
from cluster.reports.training_report import FILE_NAME as REPORT_FILE
from cluster.runs.command_line import complain
from cluster.runs.lifecycle import ExitCode
from cluster.runs.option import option
from cluster.runs.options import Options
from cluster.storage import files
from schemas.errors import InputError
from schemas.trainings import RECORD_FILE, TrainingRecord


@dataclass(frozen=True)
class ComparisonOptions(Options):
    """One comparison."""

    trainings: tuple[str, ...] = option(help="outputs of trainings of the same classes", filled=True)
    output: str = option(help="page to write, .html", filled=True, is_written=True)

    @override
    def conflicts(self) -> list[str]:
        problems = []
        if not 2 <= len(self.trainings) <= MAX_TRAININGS:
            problems.append(f"--trainings takes 2 to {MAX_TRAININGS} of them, not {len(self.trainings)}")
        if len(set(self.trainings)) < len(self.trainings):
            problems.append("--trainings names one of them twice")
        return problems


def run_comparison(options: ComparisonOptions, log: Callable[[str], None]) -> ExitCode:
    """Write the page; `log` gets what it says."""
    try:
        files.check_writable(options.output)
        records = _read(options.trainings)
        problems = problems_of(records)
        if problems:
            raise InputError(*problems)
        pages = tuple(PageLink(name, files.join(uri, REPORT_FILE)) for name, uri in _named(options.trainings).items())
        page = render_comparison(records, PageContext(uri=options.output, pages=pages))
        files.write_bytes(options.output, page.encode())
    except (InputError, OSError) as error:
        complain(error)
        return ExitCode.BAD_INPUT
    for sentence in findings(compared(records)):
        log(sentence)
    log(f"report: {options.output}")
    return ExitCode.DONE


def _named(uris: tuple[str, ...]) -> dict[str, str]:
    """The outputs by the part of their URIs in which they differ."""
    parts = [uri.rstrip("/").split("/") for uri in uris]
    head = len(posixpath.commonprefix(parts))
    tail = len(posixpath.commonprefix([each[head:][::-1] for each in parts]))
    names = ["/".join(each[head : len(each) - tail]) for each in parts]
    return dict(zip(names if all(names) else uris, uris, strict=True))


def _read(uris: tuple[str, ...]) -> dict[str, TrainingRecord]:
    records, problems = {}, []
    for name, uri in _named(uris).items():
        try:
            content = files.read_bytes(files.join(uri, RECORD_FILE))
            records[name] = TrainingRecord.from_json(content.decode())
        except FileNotFoundError:
            problems.append(f"{uri} holds no {RECORD_FILE}: it is not the output of a finished training")
        except (ValueError, files.StorageError) as error:
            problems.append(f"{uri}: {error}")
    if problems:
        raise InputError(*problems)
    return records
