"""The cutting job: annotations and videos → a manifest of clips, files, records and a page.

`plan` pairs annotations with videos and assigns splits; `stage` times, checks and cuts one video; `run` carries out.
"""
