"""Cutting clips out of videos: frames by their timestamps, encoded anew or as a stream copy.

Local files in, local files out. `FrameList` numbers the frames of a video; `exact` and `keyframes` cut.
"""
