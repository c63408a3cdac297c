"""Video decoding: the frames and the audio at the points of a time grid, exact to the timestamp.

Import `decode` for frames, `waveform` for audio, `probe` for a file's metadata, `grid` for the time grid.
"""
