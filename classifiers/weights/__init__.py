"""Checkpoints of ours, and weights as Keras and others publish them.

Import `checkpoint` to read and write; nothing is unpickled.
"""
