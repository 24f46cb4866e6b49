"""Nearest neighbours of the package implicit, which keeps the item itself among them."""

import sizes
import torch
from implicit.nearest_neighbours import CosineRecommender

import tastemaker as tm
from harness.contender import Answer, Order, Repetition, prepare_quietly, serve, timed
from tastemaker.models.matrices import interaction_matrix


def fitting(order: Order) -> Repetition:
    """The whole fit."""
    prepare_quietly(order)
    data = tm.read(sizes.interactions(order.folder, order.options["data"]), name="data")
    matrix = interaction_matrix(data)

    def once() -> Answer:
        model = CosineRecommender(sizes.K_NEIGHBOURS + 1, num_threads=torch.get_num_threads())
        return {"seconds": timed(lambda: model.fit(matrix, show_progress=False))[0], "work": 1}

    once()
    return once


if __name__ == "__main__":
    serve(fitting=fitting)
