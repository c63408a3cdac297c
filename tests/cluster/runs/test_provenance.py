from __future__ import annotations

import sys

from cluster.runs.provenance import command_line, package_versions, without_secrets

SIGNED = "https://host/video.mp4?X-Amz-Signature=abc"
SHOWN = "https://host/video.mp4?***"


def test_options_lose_their_secrets_and_nothing_else():
    options = {"input": SIGNED, "inputs": ("a.mp4", SIGNED), "seed": 0, "limit": None}
    assert without_secrets(options) == {"input": SHOWN, "inputs": ("a.mp4", SHOWN), "seed": 0, "limit": None}


def test_the_command_line_loses_its_secrets(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["job.py", "--input", SIGNED])
    assert command_line() == ("job.py", "--input", SHOWN)


def test_a_command_has_two_words(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["framemill extract", "--input", "my videos"])
    assert command_line() == ("framemill", "extract", "--input", "my videos")


def test_versions_are_those_of_installed_packages():
    versions = package_versions()
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"torch", "ray", "pyarrow", "numpy"} <= versions.keys()
    assert all(versions.values())
