"""The transcription job: videos to what is spoken in them, by a lip reader: a table of texts and words, and subtitles.

Import `job` to run it and `config` for its options.
"""
