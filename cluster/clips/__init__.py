"""Decoding clips for training: supervised decoder processes and a cache of decoded clips.

Import `decoder_pool` to decode and `cache` to read decoded clips.
"""
