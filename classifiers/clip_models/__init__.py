"""Classifiers of clips: C3D, I3D, S3D, video ResNets, P3D, FAST3D, MoViNet.

Import `registry` to build one by name, `base` for the common interface, and `streaming` for that of networks that also
watch a video frame by frame.
"""
