"""Measures the speed of Tastemaker and of other libraries on the same tasks.

make bench, or python benchmarks/bench.py [--only TASK] [--quick] [--help]
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from harness.agreement import disagreements
from harness.claims import RATIOS, claims, overview, read_all
from harness.machine import commit, conditions, machine_name, now
from harness.page import page, section
from harness.results import RESULTS, Result, Run
from harness.rounds import Settings, measure
from tasks import TASKS

ROOT = Path.home() / ".cache" / "tastemaker-benchmarks"
EPILOG = f"""\
Each contender runs in its own process and environment with the same data, sizes and threads. Once
all of a task are ready they take turns, so that other work of the machine affects all equally; the
result is the ratio of the medians to ours. One that fails is a row with its reason. Environments
of other libraries (about 2 GB each) and generated data (up to 4 GB) are made on the first run and
kept.

A full run writes results/MACHINE.json with every time measured, its page results/MACHINE.md, and
results/README.md, which compares all machines; a task replaces its earlier times on the same
machine. It ends with an error if another library computes another metric than ours from the same
lists and no definition explains it.

tasks:
{chr(10).join(f"  {task.name:20} {task.title}" for task in TASKS.values())}

examples:
  python benchmarks/bench.py                              everything; under 45 minutes on two cores
  python benchmarks/bench.py --quick                      a few minutes; writes nothing
  python benchmarks/bench.py --only train-ncf --only top-k    two tasks; writes nothing
  python benchmarks/bench.py --only top-k --keep          one task again; writes it
  python benchmarks/bench.py --pages                      the pages and pictures again
"""
progress = Console(stderr=True)


def main() -> None:
    """Measures, writes what is to be kept, and shows the tables."""
    options = _options()
    if options.pages:
        _write_pages()
        return
    settings = Settings(
        options.data, options.root, options.threads, options.repeats, options.quick
    )  # fmt: skip
    path = RESULTS / f"{machine_name()}.json"
    is_kept = options.keep or not (options.only or options.quick)
    run = Run.read(path) if is_kept and path.exists() else Run({})
    if run.conditions.get("threads", settings.threads) != settings.threads:
        sys.exit(f"{path} was measured with {run.conditions['threads']} threads; give --threads")
    run.judge_by(TASKS)
    names = options.only or TASKS
    for name in [n for n in names if TASKS[n].contenders_of(quick=settings.quick)]:
        result = _measure(name, settings)
        run.add(result)
        run.conditions = conditions(settings)
        if is_kept:
            run.write(path)
        if not options.json:
            _show(section(result))
    if options.json:
        print(json.dumps(asdict(run), indent=1))
    if is_kept:
        _write_pages()
    _fail_on_disagreement(run)


def _measure(name: str, settings: Settings) -> Result:
    """Measures one task and shows its progress."""
    started_at = time.monotonic()
    with progress.status(name) as status:
        result = measure(TASKS[name], settings, lambda text: status.update(f"{name}: {text}"))
        result.commit, result.measured_at = commit(), now()
    elapsed_s = time.monotonic() - started_at
    progress.print(f"{name}: {elapsed_s:.0f} s", highlight=False)
    return result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=TASKS,
        metavar="TASK",
        help="measure this task (may be given several times)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="less work, two repeats, and of the other libraries those that are installed",
    )
    parser.add_argument(
        "--repeats", type=_count, help="repetitions of each contender (default: as the task says)"
    )
    parser.add_argument(
        "--threads",
        type=_count,
        default=os.cpu_count() or 1,
        help="threads of each contender (default: the cores, %(default)s)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("TASTEMAKER_DATA"),
        help="the folder of the data sets (default: the one that TASTEMAKER_DATA names)",
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=ROOT,
        help="where environments, generated data and logs are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--keep", action="store_true", help="write the results, though not all tasks are measured"
    )
    parser.add_argument("--pages", action="store_true", help="only write the pages and pictures")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    if options.keep and options.quick:
        parser.error("a quick run is not kept; leave out --keep or --quick")
    if not options.pages and (options.data is None or not options.data.is_dir()):
        parser.error("there is no folder of data sets; set TASTEMAKER_DATA, or say --data FOLDER")
    options.data = options.data and options.data.resolve()
    return options


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _show(markdown: str) -> None:
    """Prints a formatted table in a terminal, and Markdown elsewhere."""
    if sys.stdout.isatty():
        Console().print(Markdown(markdown))
    else:
        print(markdown, flush=True)


def _write_pages() -> None:
    """The pages and pictures of all machines, from their files."""
    # Imported late: Matplotlib is memory that each contender's process would begin with.
    from harness.pictures import draw_growth, draw_ratios

    runs = read_all(RESULTS, TASKS)
    for name, run in runs.items():
        picture = f"{name}-growth.png"
        draw_growth(run, RESULTS / picture)
        (RESULTS / f"{name}.md").write_text(page(run, f"{name}.json", picture))
    draw_ratios(claims(runs, TASKS), RESULTS / RATIOS)
    (RESULTS / "README.md").write_text(overview(runs, TASKS))
    progress.print(f"written: {RESULTS / 'README.md'}", highlight=False, soft_wrap=True)


def _fail_on_disagreement(run: Run) -> None:
    """Ends with an error where another library has other figures."""
    found = [line for r in run.results if r.agreement for line in disagreements(r)]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
