"""Data of training and scoring: batches, splits, the choice of classes, augmentation of clips.

Import the modules individually; none reads files or stores.
"""
