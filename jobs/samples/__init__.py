"""Sample videos: scenes and sounds that are drawn and encoded here.

Import `videos`.
"""
