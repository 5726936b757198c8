"""Compressing models: what a compressor is, recipes of them, the run of a recipe, and models saved and loaded."""
