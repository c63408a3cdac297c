"""Clip classifiers as files for other runtimes.

`form` says what is exported, `onnx_file` writes it, `quantization` makes it 8 bits wide, `onnx_session` runs it;
`agreement` compares it with torch.
"""
