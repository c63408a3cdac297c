"""The libraries that write and run ONNX files, which come with an extra."""

from __future__ import annotations

from typing import Any

EXTRA = "pip install 'framemill[export]'"


def onnx_library() -> Any:
    """The package `onnx`, or an error that names the extra to install."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError(f"ONNX files are read and written by the package onnx, which is missing: {EXTRA}") from error
    return onnx


def runtime_library() -> Any:
    """The package `onnxruntime`, or an error that names the extra to install."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"ONNX files are run by the package onnxruntime, which is missing: {EXTRA}") from error
    return onnxruntime
