"""What a process that imports Beam prints."""

from __future__ import annotations

import subprocess
import sys

from tests.support.dataset import ROOT

PROGRAM = """
import logging
from cluster.engines.beam_notices import leave_out_notices
leave_out_notices()
import apache_beam
logging.warning("something else")
"""


def test_an_import_of_beam_prints_no_notice_and_other_warnings_are_printed() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "WARNING:root:something else\n"
