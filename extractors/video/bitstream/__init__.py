"""Bitstream syntax: the picture type of a coded packet, parsed from its headers without decoding it.

Containers flag key frames, but the flags are hints: some formats have none, some flag open groups of pictures, where
decoding cannot start. Selective decoding needs certainty, so each codec's own syntax is parsed here.

Import `registry` for the reader of a codec and `picture` for what it returns.
"""
