"""The sizes that all contenders share: those of the SASRec paper, with one head and two blocks."""

from pathlib import Path

EMBEDDING_SIZE = 50
LAYERS = 2
HEADS = 1
LENGTH = 50
DROPOUT = 0.2
NEGATIVES = 1
BATCH_SIZE = 128
LEARNING_RATE = 1e-3
K = 10
SEED = 0

QUALITY_SIZE, QUALITY_DROPOUT = 64, 0.5
"""For the time to a quality on Amazon Beauty, with a softmax: what suits these data."""


def interactions(data: Path, name: str = "sasrec-games") -> Path:
    """Parquet: user_id, item_id, timestamp."""
    return data / name / "interactions.parquet"
