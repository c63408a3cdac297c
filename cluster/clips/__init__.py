"""Supervised decoder processes: clips for training, with a cache of decoded ones, and thumbnails for reports.

Import `decoder_pool` to decode, `cache` to read decoded clips and `thumbnails` for pictures.
"""
