"""Experiments: comparisons of models and searches for settings, each in a folder of its own."""
