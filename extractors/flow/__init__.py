"""Optical flow: the motion of each pixel from one frame to the next.

Import `fields` for flow as clips hold it. `tvl1` and `dis` are the methods.
"""
