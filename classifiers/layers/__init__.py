"""Layers and operations that several models share.

Import the modules individually; none depends on a model.
"""
