"""Sample videos: scenes and sounds, drawn and encoded from a seed.

Import `videos` to write them; the other modules are its parts.
"""
