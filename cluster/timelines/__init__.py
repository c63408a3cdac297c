"""Timelines: events from scores over time, written as subtitles and tables, and measured against annotated intervals.

The scores themselves come from `cluster.scoring`; `schemas.timelines` has their rows.
"""
