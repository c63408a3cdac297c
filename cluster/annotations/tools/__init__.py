"""Readers of the exports of annotation tools, one file each; `cluster.annotations.formats` lists them."""
