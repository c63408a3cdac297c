"""Datasets on storage: manifests, shards of features and labels, ledgers, vocabularies.

Import `manifest` and `public_datasets` for what goes in, `feature_dataset` and `label_dataset` for what comes out.
"""
