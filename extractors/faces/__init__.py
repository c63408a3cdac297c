"""Faces in frames: where the mouth is, and pictures of it for lip reading.

Import `mouths` for the lips' boxes of a clip and `crops` for the pictures of its mouth.
"""
