"""Timelines: their options, the events that follow from them, and the files that are made of both.

Import `config` for the options and `events` for the events of a timeline.
"""
