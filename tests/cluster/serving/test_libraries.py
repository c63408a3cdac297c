from __future__ import annotations

import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from cluster.serving.libraries import MODULES, check_libraries
from jobs.serve import main
from tests.support.dataset import ROOT

# Modules that are not named as what installs them.
NAMES = {"grpcio": "grpc"}


def test_they_are_those_of_the_extra() -> None:
    check_libraries()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = [Requirement(text).name for text in project["optional-dependencies"]["serve"]]
    modules = [NAMES.get(name, name.replace("grpcio-", "grpc_").replace("-", "_")) for name in installed]
    assert sorted(modules) == sorted(MODULES)


def test_what_is_missing_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.setattr("sys.argv", ["serve.py", "--checkpoint", "classifier/"])
    assert main() == 2
    assert (
        "the service needs other libraries (fastapi, uvicorn): pip install 'framemill[serve]'" in capfd.readouterr().err
    )
