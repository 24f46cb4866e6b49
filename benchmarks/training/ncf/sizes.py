"""The sizes that all contenders share: those of the tutorial."""

EMBEDDING_SIZE = 8
HIDDEN = (64, 32)
NEGATIVES = 4
BATCH_SIZE = 1024
"""Positives, each with its negatives, where a contender does not say otherwise."""
LEARNING_RATE = 1e-3
CANDIDATES = 100
"""The held-out item and 99 others."""
SEED = 0
