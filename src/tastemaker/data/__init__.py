"""Reads, validates, encodes and splits data. Does not import torch or print."""
