"""Rows of large tables, with gradients of these rows alone."""

import torch
from torch.nn.functional import embedding

from tastemaker.process_group import n_processes


def rows_of(table: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Returns the rows (…, d) of a table (n, d) with the codes (…).

    On a CPU, the gradient of the table is a sparse tensor with these rows, which
    `tastemaker.training.optimizer.Adam` takes. If several processes train together it is dense,
    since they exchange dense gradients.
    """
    return embedding(codes, table, sparse=table.device.type == "cpu" and n_processes() == 1)
