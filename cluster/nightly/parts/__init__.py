"""What a night consists of: the extraction of features, and labels of these or of the videos themselves.

`base` says what a part is, `cluster.nightly.plan` which parts a night has.
"""
