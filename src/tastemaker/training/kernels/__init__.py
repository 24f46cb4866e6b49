"""Fused computations; each has a plain form that says the same more slowly."""
