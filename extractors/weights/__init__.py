"""Published weights by name, path or URI, in the formats in which they are published.

Import `resolve` to find them and `pretrained` to load them; nothing is unpickled.
"""
