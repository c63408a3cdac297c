"""Clips of a video: the choice of their frames, and decoding of just these.

Import `sampling` for the choice and `decode` for the frames.
"""
