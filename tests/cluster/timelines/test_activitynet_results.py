from __future__ import annotations

import json
from pathlib import Path

from cluster.timelines.activitynet_results import write_results
from schemas.timelines import NamedEvent


def test_the_form_of_the_results(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    write_results(str(path), {'"a\n': (NamedEvent(0.0, 1.1000000238, "Long jump", 0.8999999762),), "b": ()})
    assert json.loads(path.read_text()) == {
        "version": "VERSION 1.3",
        "results": {'"a\n': [{"label": "Long jump", "score": 0.9, "segment": [0.0, 1.1]}], "b": []},
        "external_data": {},
    }
    write_results(str(path), {})
    assert json.loads(path.read_text())["results"] == {}
