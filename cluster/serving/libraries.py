"""The libraries of the service, which come with an extra. Nothing else here can be imported without them."""

from __future__ import annotations

from importlib.util import find_spec

from schemas.errors import InputError

EXTRA = "pip install 'framemill[serve]'"
MODULES = (
    "fastapi",
    "starlette",
    "uvicorn",
    "websockets",
    "python_multipart",
    "pydantic",
    "prometheus_client",
    "grpc",
    "grpc_reflection",
)


def check_libraries() -> None:
    """Raise `InputError` with the extra to install where a library is missing."""
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        raise InputError(f"the service needs other libraries ({', '.join(missing)}): {EXTRA}")
