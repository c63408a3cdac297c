from __future__ import annotations

import io
from pathlib import Path

import pytest

from cluster.annotations.export import Export
from cluster.annotations.findings import Findings
from cluster.annotations.tools.cvat_meta import CvatMeta, CvatTask, read_meta
from cluster.annotations.xml_elements import elements
from tests.support.annotations import write

TASK = "<id>3</id><start_frame>10</start_frame><stop_frame>20</stop_frame><frame_filter>step=5</frame_filter>"


def meta_of(text: str, tmp_path: Path, name: str = "film/annotations.xml") -> tuple[CvatMeta, Findings]:
    found = Findings(name)
    [file] = Export(f"{write(tmp_path, {name: text})}/{name}").files
    [(_, meta)] = elements(io.BytesIO(text.encode()), ["meta"])
    return read_meta(meta, file, found), found


def test_a_task_says_its_frames(tmp_path: Path) -> None:
    meta, found = meta_of(f"<meta><task>{TASK}<subset>Default</subset><source>a.mp4</source></task></meta>", tmp_path)
    assert meta.tasks == {"": CvatTask("a.mp4", 10, 20, 5)}
    assert meta.task("9", "track 1").name == "a.mp4"
    assert meta.tasks[""].frame_count is None
    assert found.notes == ()


def test_a_subset_of_any_other_name_is_no_split(tmp_path: Path) -> None:
    text = f"<meta><task>{TASK}<subset>round 2</subset><source>a.mp4</source></task></meta>"
    meta, found = meta_of(text, tmp_path)
    assert meta.tasks[""].split == ""
    assert "none of train, validation and test are no splits" in found.notes[0]


def test_a_job_is_called_after_its_folder_or_file(tmp_path: Path) -> None:
    job = f"<meta><job>{TASK}<subset>test</subset></job><source/></meta>"
    meta, found = meta_of(job, tmp_path)
    assert meta.tasks[""] == CvatTask("film", 10, 20, 5, "test")
    assert "called after the export: 'film'" in found.notes[0]
    assert meta_of(job, tmp_path, "job_7.xml")[0].tasks[""].name == "job_7"


def test_a_project_has_labels_with_attributes(tmp_path: Path) -> None:
    attributes = "<attributes><attribute><name>doing</name></attribute></attributes>"
    labels = f"<labels><label><name>car</name>{attributes}</label></labels>"
    text = f"<meta><project><tasks><task>{TASK}<source>a</source></task></tasks>{labels}</project></meta>"
    meta, _ = meta_of(text, tmp_path)
    assert (meta.labels, meta.attributes, [*meta.tasks]) == (("car",), ("doing",), ["3"])
    with pytest.raises(ValueError, match="track 1: task_id '4' is none of the tasks of the project"):
        meta.task("4", "track 1")


def test_a_head_of_something_else_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="<meta> has none of <task>, <job>, <project>"):
        meta_of("<meta><x/></meta>", tmp_path)
