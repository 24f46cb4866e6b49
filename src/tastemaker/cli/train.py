"""tastemaker train: trains a model and saves it as a run folder."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from tastemaker.cli import options
from tastemaker.cli.groups import grouped
from tastemaker.errors import ConfigError
from tastemaker.models.registry import BUILT_IN


@grouped
def train(
    data: options.OptionalData = None,
    model: Annotated[
        str,
        typer.Option(
            "--model", help=f"Name of a model (see tastemaker models): {', '.join(BUILT_IN)}."
        ),
    ] = "ncf",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Run folder to create. (default: runs/DATA-MODEL)", show_default=False
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A setting of the model, such as epochs=20; may be given several times."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", help="A TOML file with settings of the model; --set overrides it."
        ),
    ] = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    devices: Annotated[
        int,
        typer.Option(
            "--devices",
            min=1,
            help="Number of processes that train together on this machine, each with an equal "
            "part of the cores, or a GPU of its own; with --ray, on the cluster.",
        ),
    ] = 1,
    strict: options.Strict = False,
    track: options.Track = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the unfinished run at --out.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard the unfinished run at --out.")
    ] = False,
    from_events: Annotated[
        str | None,
        typer.Option(
            "--from-events",
            help="URL of a service's database, to train on its events too; without DATA, on them "
            "alone.",
            rich_help_panel=options.DATA_PANEL,
        ),
    ] = None,
    *,
    reading: options.Reading,
    holding_out: options.HoldingOutForTest,
    protocol: options.Protocol = "auto",
    negatives: options.Negatives = None,
    k: options.Cutoffs = None,
    candidate_seed: options.CandidateSeed = None,
    draw: options.Draw = None,
    on_ray: options.OnRay,
    json: options.Json = False,
) -> None:
    """Train a model, compare it with popularity, and save the model and the results in a folder.

    The tutorial: tastemaker train ml-20m --sample-users 0.3 --no-validation

    Your own data: tastemaker train clicks.csv --user visitor --set epochs=20 --set patience=3

    The events of a service: tastemaker train clicks.csv --from-events sqlite:///runs/clicks.events.db

    Several machines train together if torchrun starts the command on each; see docs/scale.md.

    Ctrl-C ends the training and keeps the best epoch so far, if the model has epochs. --resume
    continues after a Ctrl-C or a crash, except with ials and bpr, which write no checkpoints.
    """  # fmt: skip
    from tastemaker.cli.on_ray import joined_ray, own_device, train_on_ray
    from tastemaker.cli.processes import end_helper, launch_copies, own_place
    from tastemaker.cli.sources import split_of
    from tastemaker.cli.training import TrainingJob, read_settings, run_as_started

    place = own_place()
    if data == "-" and (place or devices > 1 or on_ray.ray):
        raise ConfigError(
            "several processes cannot read standard input; write the data to a file that all of "
            "them can read"
        )
    job = TrainingJob(
        model=model,
        settings=read_settings(config, set_ or []),
        run_folder=out
        or Path("runs") / f"{label_of(data or from_events, holding_out.train)}-{model}",
        seed=seed,
        device=device,
        protocol=protocol,
        negatives=negatives,
        k=tuple(k or [10]),
        candidate_seed=candidate_seed,
        draw=draw,
        resume=resume,
        restart=restart,
        strict=strict,
        track=track,
    )
    read = partial(split_of, data, reading, holding_out, seed, from_events)
    with joined_ray(on_ray, device) as cluster:
        if cluster is not None:
            replace(job, device=own_device(on_ray, device)).checked_model()
            train_on_ray(cluster, job, read, devices, json=json)
        elif place is None and devices > 1:
            job.checked_model()
            raise typer.Exit(launch_copies(devices, device, job.run_folder))
        else:
            run_as_started(job, read, place, devices, json=json)
            end_helper(place)


def label_of(data: str | None, train: Path | None) -> str:
    """A short name of the data, for the name of a folder."""
    if train is not None:
        return train.resolve().parent.name
    if data is not None and "://" in data:
        return Path(urlsplit(data).path).stem or "database"
    # Imported here, since other verbs need no data.
    from tastemaker.data.rows import names_of

    return names_of(data or "data")[1]
