"""Layers and operations that several models share.

Import the modules one by one; none depends on a model.
"""
