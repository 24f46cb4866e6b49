"""The data and the sizes that all contenders share, by the name of the model."""

from pathlib import Path

K_NEIGHBOURS = 100
EASE_REGULARIZATION = 100.0
IALS_SIZE = 64
IALS_EPOCHS = 15
IALS_ALPHA = 5.0
IALS_REGULARIZATION = 50.0
MULTVAE_HIDDEN = 600
MULTVAE_CODE = 64
MULTVAE_USERS = 512
"""Users in a batch."""
LIGHTGCN_SIZE = 64
LIGHTGCN_LAYERS = 3
LIGHTGCN_BATCH = 2048
GRU_SIZE = 64
GRU_HIDDEN = 128
HSTU_SIZE = 50
HSTU_UNITS = 2
LENGTH = 50
"""Latest events of a history that GRU4Rec and HSTU read."""
SEQUENCES = 128
"""Histories in a batch of GRU4Rec and HSTU."""
DROPOUT = 0.2
LEARNING_RATE = 1e-3
SEED = 0

FILES = {
    "beauty": "amazon-beauty/interactions.parquet",
    "games": "sasrec-games/interactions.parquet",
    "ml-1m": "ncf-ml-1m/train.parquet",
    "ml-1m-in-order": "ml-1m-sequence/interactions.parquet",
}
"""Parquet files with user_id and item_id, and all but ml-1m with timestamp."""


def interactions(data: Path, name: str) -> Path:
    """The file of a data set."""
    return data / FILES[name]
