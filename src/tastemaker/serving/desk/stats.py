"""Stats: counts and latencies of the requests so far, derived from the Prometheus metrics."""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from tastemaker.serving.http.telemetry import METRICS_FOLDER, Telemetry
from tastemaker.serving.store.events import EventStore

MINUTES = 60

QUANTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}

LATENCY = "tastemaker_request_seconds"


def request_statistics(telemetry: Telemetry) -> dict[str, Any]:
    """Returns lists by source, problems by status and latencies by route, over all workers."""
    lists: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    buckets: dict[tuple[str, str], Counter[float]] = defaultdict(Counter)
    for sample in (sample for metric in _collected(telemetry) for sample in metric.samples):
        labels = sample.labels
        if sample.name == "tastemaker_lists_total":
            lists[labels["source"]] += int(sample.value)
        elif sample.name == "tastemaker_problems_total":
            problems[labels["status"]] += int(sample.value)
        elif sample.name == f"{LATENCY}_bucket" and labels["status"] < "400":
            buckets[labels["method"], labels["route"]][float(labels["le"])] += int(sample.value)
    latencies: list[dict[str, Any]] = [
        {"method": method, "route": route, "n": max(counts.values()), **_percentiles(counts)}
        for (method, route), counts in buckets.items()
    ]
    latencies.sort(key=lambda line: -line["n"])
    return {"lists": dict(lists), "problems": dict(problems), "latencies": latencies}


def events_per_minute(store: EventStore, now: float | None = None) -> list[int]:
    """Returns the number of events in each of the last MINUTES minutes, oldest first.

    Raises:
        DatabaseUnavailableError: the database does not answer.
    """
    last = int(time.time() if now is None else now) // 60
    counts = store.per_minute(last - MINUTES + 1, last)
    return [counts.get(number, 0) for number in range(last - MINUTES + 1, last + 1)]


def quantile(counts: dict[float, int], fraction: float) -> float:
    """Returns the value below which a fraction of the observations lies, by cumulative buckets.

    Within a bucket it is interpolated; values beyond the last finite bound count as that bound.
    """
    bounds = sorted(counts)
    target = fraction * counts[bounds[-1]]
    low, below = 0.0, 0
    for bound in bounds:
        if counts[bound] >= target and counts[bound] > below:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (target - below) / (counts[bound] - below)
        low, below = bound, counts[bound]
    return low


def _percentiles(counts: Counter[float]) -> dict[str, float]:
    return {name: round(quantile(counts, q) * 1000, 2) for name, q in QUANTILES.items()}


def _collected(telemetry: Telemetry) -> Iterable[Metric]:
    if METRICS_FOLDER not in os.environ:
        return telemetry.registry.collect()
    all_workers = CollectorRegistry()
    MultiProcessCollector(all_workers)
    return all_workers.collect()
