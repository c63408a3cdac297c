"""Clips of a video: the choice of their frames, and decoding of just these.

Import `sampling` for the choice, `decode` for the frames, and `windows` for clips all along a video.
"""
