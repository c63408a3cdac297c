"""Clip classifiers as files for other runtimes: ONNX, in fp32 or int8, and LiteRT.

`form` says what is exported, `onnx_file` writes it, `onnx_session` runs it; `agreement` compares it with torch.
"""
