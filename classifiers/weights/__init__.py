"""Checkpoints, and the weight files that Keras and other projects publish. Nothing is unpickled.

Import `checkpoint` to read and write checkpoints, `keras_files` and `published_clips` to load published weights.
"""
