"""Network weights by name, path or URI, in the formats they are published in. Nothing is unpickled.

Import `resolve` to find and verify weights, `pretrained` to build networks from them.
"""
