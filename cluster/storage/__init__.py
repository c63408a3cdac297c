"""Reading and writing by URI: local paths and object stores, retries, listings, leases, Parquet files.

Import `files` for whole files, `listing` for the files below a prefix, `video_source` for videos read by range
requests, `lease` for a dataset's single writer.
"""
