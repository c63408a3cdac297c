"""Bytes of a video to arrays to embeddings; no URI, no Ray."""
