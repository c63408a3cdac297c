"""Text from the outputs of a CTC network: alphabets, decoding, lexicons, word n-gram models, error rates.

Import the module of what you need: `ctc` and `beam` decode, `alignment` says when each word was spoken.
"""
