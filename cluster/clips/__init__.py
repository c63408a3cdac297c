"""Supervised decoder processes: clips for training, with a cache of decoded ones, and pictures for reports.

Import `decoder_pool` to decode, `cache` to read decoded clips, `thumbnails` and `previews` for pictures.
"""
