"""Reading and writing by URI: local paths and object stores, retries, listings, leases, Parquet files.

Import `files` for whole files, `listing` for what a prefix holds, `video_source` for videos read by ranges, `lease` for
one writer at a time.
"""
