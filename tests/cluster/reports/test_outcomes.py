from __future__ import annotations

from dataclasses import replace

from cluster.reports.outcomes import outcome_bars
from tests.support.transcription_records import COUNTS


def test_videos_without_an_outcome_have_a_bar_of_their_own() -> None:
    whole = {bar.label: bar.value for bar in outcome_bars(COUNTS, 4, "transcribed", 3)}
    assert whole == {"transcribed": 4, "already done": 3, "failed": 2}
    cut_short = outcome_bars(replace(COUNTS, videos_total=14), 4, "transcribed", 3)
    assert [(bar.label, bar.value) for bar in cut_short][-1] == ("not processed", 5)
