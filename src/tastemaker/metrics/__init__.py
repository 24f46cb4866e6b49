"""Metrics of rankings as pure functions of arrays, without data sets, models or files."""
