"""Times one epoch of SASRec and one evaluation over all items: ours and three other libraries'.

python benchmarks/training/sequence.py [--peers rectools,recbole,warprec] [--epochs 2] [--json]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from environments import PEERS, PeerError, last_words, prepare
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
ENVIRONMENTS = Path.home() / ".cache" / "tastemaker-benchmarks"
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS",
)
EPILOG = """\
Each library runs alone, in its own process and virtual environment, with the same sizes, data and
threads. The environments are made on the first run (about 2 GB each) and kept. A library that
cannot be installed or fails is a row with its reason; the logs beside the environments say more.

examples:
  python benchmarks/training/sequence.py                     everything; about fifteen minutes
  python benchmarks/training/sequence.py --peers rectools    ours and one other
  python benchmarks/training/sequence.py --peers ""          ours alone
  python benchmarks/training/sequence.py --json > run.json   every time measured
"""
progress = Console(stderr=True)


def main() -> None:
    """Measures one after the other and prints a table, or JSON."""
    options = _options()
    results = [_measure("tastemaker", options)]
    results += [_measure(peer, options) for peer in options.peers]
    if options.json:
        print(json.dumps(_conditions(options) | {"contenders": results}, indent=1))
    else:
        console = Console()
        console.print(_table(results, options))
        for result in results:
            if "failed" in result:
                line = f"{result['name']} {result['failed']}"
                console.print(line, highlight=False, markup=False, soft_wrap=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("TASTEMAKER_DATA", ".")) / "sasrec-games/interactions.parquet",
        help="Parquet: user_id, item_id, timestamp (default: "
        "sasrec-games/interactions.parquet in the folder that TASTEMAKER_DATA names)",
    )
    parser.add_argument(
        "--peers",
        type=_peers,
        default=list(PEERS),
        help=f"the others, with commas between (default: {','.join(PEERS)})",
    )
    parser.add_argument(
        "--epochs", type=int, default=2, help="epochs; the fastest counts (default: 2)"
    )
    parser.add_argument(
        "--evaluations", type=int, default=2, help="evaluations; the fastest counts (default: 2)"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of each (default: 2)")
    parser.add_argument(
        "--environments",
        type=Path,
        default=ENVIRONMENTS,
        help="where the virtual environments are made and kept (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with every time measured")
    options = parser.parse_args()
    if not options.data.is_file():
        parser.error(f"there is no {options.data}; set TASTEMAKER_DATA, or say --data FILE")
    options.data = options.data.resolve()
    return options


def _peers(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no peer {unknown[0]}; there are {', '.join(PEERS)}")
    return names


def _measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """A contender's report, or its name and why there is none."""
    title, script = "Tastemaker", "ours.py"
    if name in PEERS:
        title, script = PEERS[name].title, PEERS[name].script
    try:
        python = Path(sys.executable)
        if name in PEERS:
            with progress.status(f"{title}: preparing its environment"):
                python = prepare(name, options.environments)
        with progress.status(f"{title}: training and evaluating"):
            result = _run(python, script, options.environments / f"{name}.log", options)
    except PeerError as error:
        result = {"name": title, "failed": str(error)}
    progress.print(f"{title}: {'failed' if 'failed' in result else 'done'}", highlight=False)
    return result


def _run(python: Path, script: str, log: Path, options: argparse.Namespace) -> dict[str, Any]:
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(options.threads))
    command = [str(python), str(HERE / "peers" / script), str(options.data)]
    for option in ("epochs", "evaluations", "threads"):
        command += [f"--{option}", str(getattr(options, option))]
    # Some leave logs in the working folder.
    with tempfile.TemporaryDirectory() as folder, log.open("w") as errors:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, check=False
        )
    if done.returncode:
        raise PeerError(f"failed: {last_words(log)} (more in {log})")
    return json.loads(done.stdout.splitlines()[-1])


def _conditions(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "data": options.data.name,
        "threads": options.threads,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def _table(results: list[dict[str, Any]], options: argparse.Namespace) -> Table:
    table = Table(
        title=f"SASRec, {options.threads} threads, seconds",
        caption=f"fastest of {options.epochs} epochs and {options.evaluations} evaluations; "
        "× is times ours",
    )
    table.add_column("library")
    for column in ("epoch", "×", "evaluation", "×", "sequences", "users × items"):
        table.add_column(column, justify="right", no_wrap=True)
    ours = results[0]
    for result in results:
        name = f"{result['name']} {result.get('version', '')}".strip()
        if "failed" in result:
            table.add_row(name, "failed")
            continue
        cells = [name]
        for part in ("epoch_s", "evaluate_s"):
            fastest_s = min(result[part])
            ratio = "" if "failed" in ours else f"{fastest_s / min(ours[part]):.1f}"
            cells += [f"{fastest_s:.1f}", ratio]
        ranked = f"{result['users']:,} × {result['items']:,}"
        table.add_row(*cells, f"{result['samples']:,}", ranked)
    return table


if __name__ == "__main__":
    main()
