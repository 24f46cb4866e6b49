"""Reads, encodes and splits a MovieLens folder in one go; prints seconds and peak memory as JSON.

python benchmarks/data/prepare.py OUT/ml-20m
"""

import json
import resource
import sys
import time

import tastemaker as tm

if __name__ == "__main__":
    started_at = time.perf_counter()
    split = tm.leave_one_out(tm.load(sys.argv[1]))
    elapsed_s = time.perf_counter() - started_at
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        json.dumps(
            {
                "rows": len(split.everything),
                "elapsed_s": round(elapsed_s, 1),
                "peak_gib": round(peak_gib, 2),
            }
        )
    )
