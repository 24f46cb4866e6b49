"""tastemaker tune: which settings of this model are best on these data?"""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from tastemaker.cli import options
from tastemaker.cli.groups import grouped


@grouped
def tune(
    data: options.OptionalData = None,
    model: Annotated[str, typer.Option("--model", help="Name of the model to tune.")] = "ncf",
    trials: Annotated[
        int,
        typer.Option(
            "--trials", help="Number of trials in total, including those of earlier calls."
        ),
    ] = 20,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", help="Start no further trial after this many seconds."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder to create or to continue. (default: runs/DATA-MODEL-tuning)",
            show_default=False,
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            help="Run the trials together with every process that runs the same command with this "
            "storage: postgresql://USER@HOST/DATABASE, a journal file on a disk that the machines "
            "share, or sqlite:///FILE on one machine.",
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard the trials at --out.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A fixed setting, such as epochs=20; may be given several times."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="A TOML file with fixed settings; --set overrides it."),
    ] = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    strict: options.Strict = False,
    *,
    reading: options.Reading,
    holding_out: options.HoldingOut,
    protocol: Annotated[
        Literal["full", "sampled"],
        typer.Option(
            "--protocol",
            help="Rank each validation item against the whole catalog or against sampled items.",
            rich_help_panel=options.PROTOCOL_PANEL,
        ),
    ] = "full",
    negatives: options.Negatives = None,
    candidate_seed: options.CandidateSeed = None,
    draw: options.Draw = None,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="Metric to maximise.",
            rich_help_panel=options.PROTOCOL_PANEL,
        ),
    ] = "ndcg@10",
    on_ray: options.OnRay,
    json: options.Json = False,
) -> None:
    """Search for good settings of a model, using only the validation part of the split.

    Example: tastemaker tune ml-100k --model ease --trials 20

    The best settings are written to best.toml in the folder, for train --config and compare
    --config. Running the same command again continues an interrupted search. For a model with
    epochs, once five trials are complete, a trial is ended early if its best value so far is below
    the median of theirs after the same number of epochs; --set patience=3 also ends trials that no
    longer improve.
    """  # fmt: skip
    from tastemaker.cli.evaluating import make_protocol
    from tastemaker.cli.on_ray import joined_ray, own_device, refuse_stdin, trial_workers
    from tastemaker.cli.sources import split_of
    from tastemaker.cli.train import label_of
    from tastemaker.cli.training import build_model, read_settings
    from tastemaker.cli.tuning import TuningStatus, show
    from tastemaker.cli.unused import note_unused
    from tastemaker.experiments.tuning import refuse_early
    from tastemaker.experiments.tuning import tune as tune_model

    folder = out or Path("runs") / f"{label_of(data, holding_out.train)}-{model}-tuning"
    settings = read_settings(config, set_ or [])
    refuse_stdin(data, on_ray)
    own = own_device(on_ray, device)
    refuse_early(model, folder, settings, trials, timeout, metric, own, storage, restart)
    read = partial(split_of, data, reading, holding_out, seed)
    with joined_ray(on_ray, device) as cluster:
        the_split = read()
        if not strict:  # otherwise `tune` refuses what would be noted
            note_unused([build_model(model, settings, seed)], the_split)
        with TuningStatus(metric, trials) as status:
            result = tune_model(
                model,
                the_split,
                folder,
                n_trials=trials,
                timeout_s=timeout,
                settings=settings,
                protocol=make_protocol(protocol, negatives, candidate_seed, draw, the_split),
                metric=metric,
                seed=seed,
                device=own,
                storage=storage,
                workers=trial_workers(cluster, read, folder, device, storage),
                restart=restart,
                strict=strict,
                listener=status.listener(),
            )
    show(result, as_json=json)
