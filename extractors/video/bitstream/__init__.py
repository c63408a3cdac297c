"""What a coded packet says about itself, read from its first bits without decoding it: one module a codec.

Import `registry` for the reader of a codec and `picture` for what it returns. Key-frame flags of containers are only
hints and selective decoding needs certainty: a stream whose structure is not understood is decoded whole.
"""
