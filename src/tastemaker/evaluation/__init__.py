"""Evaluation of models: ranking protocols, metrics and results."""
