"""Live sources: cameras and network streams, and files at the pace of a player.

Import `source` to open one and `frames` for its frames.
"""
