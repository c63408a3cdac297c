"""Decoding: the frames and the sound at the points of a time grid, exact by timestamps.

Import `decode` for frames, `sound` for the waveform, `probe` for what a file holds, `grid` for the points in time.
"""
