"""The job that exports a clip classifier: `jobs/export_model.py`.

checkpoint, clips of videos ─► file (`classifiers.export`) ─► checks beside torch ─► output, report
"""
