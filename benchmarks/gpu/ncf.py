"""NCF on a GPU: interactions of MovieLens 20M's size, resident on it, through the public `fit`.

    python benchmarks/gpu/ncf.py OUT.json [--quick]

Each way of training in turn, by batch size: plain steps through Lightning, recorded steps (a CUDA
graph), and tiles (Triton). A sample is a positive or a negative. Writes all figures as JSON.
"""

import argparse
import gc
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile
from world import MOVIELENS_20M, generated

import tastemaker as tm
from tastemaker.models.factorization import vector_model
from tastemaker.models.factorization.vector_model import VectorModel
from tastemaker.sampling import UnseenItems
from tastemaker.training.batches import PairBatches
from tastemaker.training.kernels import tiled_pairs
from tastemaker.training.kernels.graphed import GraphedSteps

NEGATIVES, LARGEST = 4, 1 << 20
SIZES = [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, LARGEST]

RUNS = [
    *(("tiles", size, 5) for size in (512, *SIZES)),
    *(("tiles, TF32", size, 2) for size in (1 << 10, 1 << 14, LARGEST)),
    *(("recorded", size, 2) for size in SIZES),
    *(("recorded, bfloat16", size, 2) for size in (1 << 10, 1 << 14, LARGEST)),
    *(("plain", size, 1) for size in (1 << 10, 1 << 14, 1 << 18, LARGEST)),
]
"""How, positives in a batch, epochs."""

MakeModel = Callable[..., VectorModel]

OTHERS: list[MakeModel] = [
    tm.MLP,
    tm.GMF,
    partial(tm.NeuMF, pretraining=False),
    partial(tm.MF, loss="bce"),
]
"""Models of pairs with their usual sizes, each in tiles and recorded."""


class Bfloat16Steps(GraphedSteps):
    """Recorded steps whose products of matrices are in bfloat16."""

    def __init__(self, loss: Callable[[Any], torch.Tensor], batch_size: int) -> None:
        super().__init__(torch.autocast("cuda", torch.bfloat16)(loss), batch_size)


@contextmanager
def way(name: str) -> Iterator[None]:
    """Makes `fit` use one way of training."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if name.endswith("TF32") else precision)
    steps = Bfloat16Steps if name.endswith("bfloat16") else GraphedSteps
    has_tiles = name.startswith("tiles") and tiled_pairs.has_triton()
    with (
        patch.object(tiled_pairs, "has_triton", lambda: has_tiles),
        patch.object(vector_model, "GraphedSteps", steps),
    ):
        yield
    torch.set_float32_matmul_precision(precision)


def measure(
    split: tm.Split, name: str, batch_size: int, epochs: int, make: MakeModel = tm.NCF
) -> dict[str, Any]:
    """One whole fit."""
    gc.collect()  # Lightning's objects refer to each other, and with them what is on the GPU
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    model = make(epochs=epochs, batch_size=batch_size, negatives=NEGATIVES)
    with way(name), Utilisation() as utilisation:
        model.fit(split, tm.TrainingRun("cuda", fused=name != "plain"))
    ends = [0.0, *(record["elapsed_s"] for record in model.log.records)]
    epoch_s = [round(end - start, 4) for start, end in pairwise(ends)]
    samples = len(split.train) * (1 + NEGATIVES)
    return {
        "model": model.name,
        "way": name,
        "batch_size": batch_size,
        "epochs": epochs,
        "fit_s": model.log.fit_s,
        "epoch_s": epoch_s,
        "samples_per_s_of_the_fastest_epoch": round(samples / min(epoch_s)),
        "samples_per_s_end_to_end": round(epochs * samples / (model.log.fit_s or 1)),
        "loss": [round(record["loss"], 6) for record in model.log.records],
        "peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
        "highest_utilisation_percent": utilisation.highest,
    }


class Utilisation:
    """GPU utilisation by nvidia-smi: the percentage of time in which a kernel ran."""

    highest: int | None = None

    def __enter__(self) -> "Utilisation":
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        self._process = subprocess.Popen(
            [*command, "-lms", "200"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._reader.join()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if line.strip().isdigit():
                self.highest = max(self.highest or 0, int(line))


def sampling(split: tm.Split) -> dict[str, float]:
    """Seconds to draw the order and the negatives of an epoch, and nothing else."""
    device = torch.device("cuda")
    batches = PairBatches(
        split.train, batch_size=LARGEST, negatives=NEGATIVES, seed=0, device=device
    )
    seconds = {}
    for name, unseen in (
        ("as it is", batches.unseen),
        ("by search", UnseenItems(split.train, device, budget_bytes=0)),
        ("by bitmap", UnseenItems(split.train, device, budget_bytes=1 << 30)),
    ):
        batches.unseen = unseen
        for epoch in range(3):
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in batches.chunks().epoch(epoch):
                pass
            torch.cuda.synchronize()
            seconds[name] = round(time.perf_counter() - start, 4)
    return seconds


def kernels(split: tm.Split, name: str, batch_size: int) -> dict[str, Any]:
    """The kernels that most of an epoch goes to, and how much of its time any runs."""
    model = tm.NCF(epochs=2, batch_size=batch_size, negatives=NEGATIVES)
    with way(name), profile(activities=[ProfilerActivity.CUDA]) as profiler:
        model.fit(split, tm.TrainingRun("cuda"))
        torch.cuda.synchronize()
    # Copies to and from the host are before and after the epochs.
    events = [
        event
        for event in profiler.key_averages()
        if event.self_device_time_total > 0 and "Pageable" not in event.key
    ]
    events.sort(key=lambda event: -event.self_device_time_total)
    total_us = sum(event.self_device_time_total for event in events)
    return {
        "way": name,
        "batch_size": batch_size,
        "busy_share_of_the_epochs": round(total_us / 1e6 / model.log.elapsed_s, 3),
        "top": [
            {
                "kernel": event.key[:120],
                "share": round(event.self_device_time_total / total_us, 4),
                "calls": event.count,
                "us_each": round(event.self_device_time_total / event.count, 2),
            }
            for event in events[:10]
        ],
    }


def ceilings() -> dict[str, float]:
    """Upper limits of the GPU: bytes read and written by a copy, and products of matrices."""
    source, target = (torch.empty(1 << 30, device="cuda") for _ in range(2))
    copy_s = _median_s(lambda: target.copy_(source))
    a, b = (torch.randn(8192, 8192, device="cuda") for _ in range(2))
    speeds = {"copy_tb_per_s": round(8 * 2**30 / copy_s / 1e12, 2)}
    for name, precision in (("float32", "highest"), ("tf32", "high")):
        torch.set_float32_matmul_precision(precision)
        speeds[f"{name}_tflops"] = round(2 * 8192**3 / _median_s(lambda: a @ b) / 1e12, 1)
    torch.set_float32_matmul_precision("highest")
    return speeds


def _median_s(work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(9):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[4]


def conditions() -> dict[str, Any]:
    """The device, the versions and the date."""
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
    if tiled_pairs.has_triton():
        import triton

        versions["triton"] = triton.__version__
    return {
        "device": torch.cuda.get_device_name(),
        "versions": versions,
        "date": datetime.now(UTC).date().isoformat(),
        "users_items_interactions": MOVIELENS_20M,
    }


def main() -> None:
    """Measures all of RUNS, then what an epoch is made of."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the interactions")
    arguments = parser.parse_args()
    n_users, n_items, n = MOVIELENS_20M
    split = tm.no_holdout(generated((n_users, n_items, n // (100 if arguments.quick else 1))))
    figures: dict[str, Any] = {"conditions": conditions(), "ceilings": ceilings(), "runs": []}

    def write() -> None:
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n")

    measure(split, "tiles", LARGEST, 1)  # what is compiled, loaded and allocated once
    for name, batch_size, epochs in RUNS:
        figures["runs"].append(measure(split, name, batch_size, epochs))
        print({key: figures["runs"][-1][key] for key in ("way", "batch_size", "epoch_s", "fit_s")})
        write()
    figures["others"] = [
        measure(split, name, batch_size, 2, make)
        for make in OTHERS
        for batch_size in (1 << 14, LARGEST)
        for name in ("tiles", "recorded")
    ]
    figures["sampling_s_per_epoch"] = sampling(split)
    write()
    figures["kernels"] = [
        kernels(split, name, size)
        for name, size in (("tiles", LARGEST), ("tiles", 1024), ("recorded", LARGEST))
    ]
    write()


if __name__ == "__main__":
    main()
