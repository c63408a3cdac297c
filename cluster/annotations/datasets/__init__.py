"""Readers of the annotations of public data sets, one file each; `cluster.annotations.formats` lists them."""
