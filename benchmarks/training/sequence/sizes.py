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


def interactions(data: Path) -> Path:
    """Parquet: user_id, item_id, timestamp."""
    return data / "sasrec-games" / "interactions.parquet"
