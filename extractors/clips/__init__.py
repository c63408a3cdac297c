"""Clips: which frames of a video a clip consists of, and decoding just these.

Import `sampling` for the choice and `decode` for the frames.
"""
