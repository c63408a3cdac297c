"""What training takes: batches, splits, the choice of classes, augmentation of clips.

No file or store is touched here.
"""
