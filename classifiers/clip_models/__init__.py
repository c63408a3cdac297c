"""Classifiers of clips: C3D, I3D, S3D, video ResNets, P3D, FAST3D, MoViNet.

Import `registry` to build one by name and `base` for the common interface.
"""
