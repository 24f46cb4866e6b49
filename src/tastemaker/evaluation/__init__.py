"""Judging models without fooling oneself: what is ranked against what, and what came of it."""
