"""SASRec on a GPU: an epoch of training, and every test item ranked among the whole catalog.

    python benchmarks/gpu/sasrec.py OUT.json

Generated interactions of the size of the SASRec paper's games, with the paper's sizes.
"""

import argparse
import json
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from ncf import conditions
from world import GAMES, generated

import tastemaker as tm

EPOCHS = 3


def main() -> None:
    """Measures one fit and some evaluations for each loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    split = replace(tm.leave_one_out(generated(GAMES)), validation=None)
    figures = {"conditions": conditions() | {"users_items_interactions": GAMES}, "runs": []}
    for loss, batch_size in (("bce", 128), ("bce", 1024), ("softmax", 128)):
        model = tm.SASRec(
            embedding_size=50, layers=2, heads=1, length=50, dropout=0.2, loss=loss,
            batch_size=batch_size, epochs=EPOCHS,
        ).fit(split, tm.TrainingRun("cuda"))  # fmt: skip
        ends = [0.0, *(record["elapsed_s"] for record in model.log.records)]
        evaluate_s = []
        for _ in range(3):
            torch.cuda.synchronize()
            start = time.perf_counter()
            result = tm.evaluate(model, split, tm.FullRanking(), k=10, baseline=False)
            evaluate_s.append(round(time.perf_counter() - start, 4))
        figures["runs"].append(
            {
                "loss": loss,
                "batch_size": batch_size,
                "epoch_s": [round(b - a, 4) for a, b in pairwise(ends)],
                "full_ranking_s": evaluate_s,
                "users_ranked": len(result.users),
            }
        )
        print(figures["runs"][-1])
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
