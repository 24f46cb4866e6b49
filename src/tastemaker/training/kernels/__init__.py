"""Fused computations; each has a plain form that gives the same result more slowly."""
