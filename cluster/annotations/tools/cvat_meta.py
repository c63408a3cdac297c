"""What the `<meta>` of a CVAT file says: its tasks or job, with their source, first frame and step, and the labels.

The media's name is `source`, which exports of a single job lack, and so do tasks made of pictures: these are named
after the file of the export. Frame numbers are those of the source: `start_frame` + k · `step`.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from cluster.annotations.export import ExportFile
from cluster.annotations.fields import frame_of, split_in, text_of
from cluster.annotations.findings import Findings
from cluster.annotations.xml_elements import XmlElement

STEP = re.compile(r"step=(\d{1,9})")
SCOPES = ("task", "job", "project")
DEFAULT_SUBSET = "default"
DEFAULT_NAMES = ("annotations", "annotation", "export", "default")


@dataclass(frozen=True)
class CvatTask:
    """A task, or a job of one; frames are those of the source, `stop` included, where the file says so."""

    name: str
    start: int = 0
    stop: int | None = None
    step: int = 1
    split: str = ""

    @property
    def part(self) -> tuple[str, str]:
        """The name and split of its video, which several tasks may be parts of."""
        return self.name, self.split

    @property
    def frame_count(self) -> int | None:
        """The number of frames of the source, if the task is all of it."""
        return self.stop + 1 if self.stop is not None and self.start == 0 and self.step == 1 else None


@dataclass(frozen=True)
class CvatMeta:
    """The tasks by id; a file of one task or job has it under the empty id."""

    tasks: dict[str, CvatTask]
    labels: tuple[str, ...]
    attributes: tuple[str, ...]

    def task(self, task_id: str, place: str) -> CvatTask:
        """The task that a track or an image belongs to."""
        found = self.tasks.get("") or self.tasks.get(task_id)
        if found is None:
            known = ", ".join(self.tasks) or "none"
            raise ValueError(f"{place}: task_id {task_id!r} is none of the tasks of the project ({known})")
        return found


def read_meta(meta: XmlElement, file: ExportFile, found: Findings) -> CvatMeta:
    """The content of `<meta>`."""
    scope = next((child for child in meta.children if child.name in SCOPES), None)
    if scope is None:
        raise ValueError(f"line {meta.line}: <meta> has none of {', '.join(f'<{name}>' for name in SCOPES)}")
    listed = scope.child("tasks")
    tasks = {task.child_text("id"): task for task in listed.children} if listed else {"": scope}
    labels = scope.child("labels")
    elements = [] if labels is None else labels.children
    attributes = [one for label in elements for one in (label.child("attributes") or label).children]
    return CvatMeta(
        {name: _task(task, meta, file, found) for name, task in tasks.items()},
        tuple(dict.fromkeys(name for label in elements if (name := label.child_text("name")))),
        tuple(dict.fromkeys(one.child_text("name") for one in attributes if one.name == "attribute")),
    )


def _task(task: XmlElement, meta: XmlElement, file: ExportFile, found: Findings) -> CvatTask:
    source = text_of(task.child_text("source") or meta.child_text("source"), "source")
    if not source:
        source = _name_of(file)
        found.note(f"it does not name its media, so they are called after the export: {source!r}", file.name)
    step = STEP.search(task.child_text("frame_filter"))
    stop, subset = task.child_text("stop_frame"), task.child_text("subset")
    split = split_in(subset)
    if subset and not split and subset.lower() != DEFAULT_SUBSET:
        found.note("subsets that are none of train, validation and test are no splits", f"{file.name}, {subset!r}")
    return CvatTask(
        source,
        frame_of(task.child_text("start_frame") or 0),
        frame_of(stop) if stop else None,
        max(int(step[1]), 1) if step else 1,
        split,
    )


def _name_of(file: ExportFile) -> str:
    folder = posixpath.basename(posixpath.dirname(file.uri))
    return folder if file.stem.lower() in DEFAULT_NAMES and folder else file.stem
