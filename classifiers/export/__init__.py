"""Clip classifiers as files for other runtimes.

`form` says what is exported, `onnx_file` writes it, `quantization` makes it 8 bits wide. `onnx_contents` checks a file
from anybody, `onnx_session` runs it, `agreement` compares it with torch. `exported_file` and `exported_classifier` take
the place of a checkpoint and its classifier.

LiteRT's converter has an environment of its own (`litert_converter`), in which `litert_program` runs. `litert_lowering`
fits networks to it, `litert_file` finishes what it writes, `litert_session` runs that.
"""
