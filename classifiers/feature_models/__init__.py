"""Classifiers of features: dense, mixture of experts, recurrent, DBoF, NetVLAD, NeXtVLAD, attention.

Import `registry` to build one by name and `base` for the common interface.
"""
