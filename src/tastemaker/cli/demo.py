"""tastemaker demo: all steps once, on real data if available."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli import options
from tastemaker.cli.common import note, out, table_of

if TYPE_CHECKING:
    from tastemaker.data.dataset import Dataset
    from tastemaker.data.split import Split
    from tastemaker.models.recommender import Recommender

PREFERRED_DATA = "ml-latest-small"
N_SHOWN_ITEMS = 10
COMPARED = "popularity,itemknn,ease,mf,ncf"
SETTINGS = {"epochs": 20, "patience": 3}
"""Settings of NCF."""


def demo(
    out_folder: Annotated[Path, typer.Option("--out", help="Run folder to create.")] = Path(
        "runs/demo"
    ),
    data: Annotated[
        str | None,
        typer.Option("--data", help="Name of a data set. (default: ml-latest-small, or synthetic)"),
    ] = None,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Train NCF on MovieLens, recommend to one user, and compare it with other models.

    If MovieLens is not on disk and cannot be downloaded, synthetic data are used, with a note.
    """
    from tastemaker.cli.training import TrainingJob
    from tastemaker.data.splitting import leave_one_out
    from tastemaker.experiments.comparison import refuse_early

    job = TrainingJob("ncf", SETTINGS, out_folder, device=device, restart=True, has_resume=False)
    job.checked_model()
    refuse_early(_comparison_folder(out_folder), COMPARED.split(","), device)
    split = leave_one_out(_load(data))
    model = job.run(split, json=json)
    if json:
        return
    _show_one_user(model)
    out.print("\n[bold]files of the run[/bold]")
    for name, what in (
        ("", "the run folder: weights, config, data, metrics"),
        ("learning_curve.png", "loss and validation metrics by epoch"),
        ("epochs.csv", "the same values as a table"),
        ("evaluation.json", "metrics of the model and of popularity"),
    ):
        out.print(f"  {out_folder / name!s:<36} {what}", markup=False)
    out.print("\n[bold]next steps[/bold]")
    items = ",".join(map(str, model.dataset.item_vocabulary.ids[:3]))
    for command in (
        f"tastemaker recommend {out_folder} --history {items}",
        f"tastemaker similar {out_folder} {model.dataset.item_vocabulary.ids[0]}",
        f"tastemaker evaluate {out_folder} --protocol full -k 10 -k 20",
    ):
        out.print(f"  {command}", markup=False, soft_wrap=True)
    out.print("\n[bold]comparison with other models[/bold]")
    _compare(split, out_folder, device)
    out.print("\n[bold]serve the run over HTTP[/bold]")
    out.print(f"  tastemaker serve {out_folder} --open", markup=False, soft_wrap=True)


def _comparison_folder(run: Path) -> Path:
    """The folder of the comparison."""
    return run.with_name(f"{run.name}-comparison")


def _compare(split: "Split", run: Path, device: options.Device) -> None:
    """Runs the comparison with a copy of the demo's own run, so that NCF is not trained again."""
    import shutil

    from tastemaker.cli.compared_models import compared_models
    from tastemaker.cli.comparing import run_comparison
    from tastemaker.evaluation.protocols import FullRanking
    from tastemaker.experiments.comparison_files import COMPARISON, run_folder
    from tastemaker.folders import claim

    assignments = [f"ncf.{name}={value}" for name, value in SETTINGS.items()]
    models = compared_models(COMPARED, assignments, [], None)
    folder = _comparison_folder(run)
    claim(folder, COMPARISON, {})
    ncf_folder = run_folder(folder, "ncf")
    shutil.rmtree(ncf_folder, ignore_errors=True)
    shutil.copytree(run, ncf_folder)
    run_comparison(models, split, folder, protocol=FullRanking(), k=(10,), device=device)


def _load(data: str | None) -> "Dataset":
    from tastemaker.cli.sources import DataOptions
    from tastemaker.errors import DownloadError

    source = DataOptions(seed=0)
    try:
        return source.dataset(data or PREFERRED_DATA)
    except DownloadError as error:
        if data is not None:
            raise
        note(str(error))
        out.print("[bold yellow]MovieLens is not available: using SYNTHETIC data[/bold yellow]")
        return source.dataset("synthetic")


def _show_one_user(model: "Recommender") -> None:
    """Prints the latest history and the recommendations of a user of median activity."""
    import numpy as np

    dataset = model.dataset
    user = int(np.argsort(dataset.user_counts, kind="stable")[dataset.n_users // 2])
    user_id = dataset.user_vocabulary.ids[user]
    known = model.split.everything.history(user)[-N_SHOWN_ITEMS:]
    rows = dataset.catalog.frame[known.tolist()].drop("categories", strict=False)
    out.print(f"\nlatest items of user {user_id}", style="bold", markup=False)
    out.print(table_of(rows.iter_rows(named=True)))
    out.print(f"\ntop 10 for user {user_id}", style="bold", markup=False)
    out.print(table_of(model.recommend([user_id], 10).frame.drop("user_id").iter_rows(named=True)))
