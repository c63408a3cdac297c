"""The service: videos over HTTP, their labels, timelines and transcripts back, from models deployed on Ray Serve.

Import `job` to run it and `config` for its options. The home of FastAPI, Starlette, uvicorn and Ray Serve.
"""
