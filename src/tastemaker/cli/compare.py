"""tastemaker compare: which of these models is best on these data?"""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from tastemaker.cli import options
from tastemaker.cli.groups import grouped
from tastemaker.errors import ConfigError


@grouped
def compare(
    data: options.OptionalData = None,
    models: Annotated[
        str,
        typer.Option(
            "--models",
            help="Names of the models, separated by commas; a variant needs a label, as in "
            "ncf,wide=ncf.",
        ),
    ] = "popularity,itemknn,ease,mf,ncf,multvae",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder to create or to continue. (default: runs/DATA-comparison)",
            show_default=False,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting of one model, such as ncf.epochs=20; may be given several times.",
        ),
    ] = None,
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            help="A TOML file with the settings of one model, such as ncf=best.toml; may be given "
            "several times.",
        ),
    ] = None,
    share: Annotated[
        bool,
        typer.Option(
            "--share",
            help="Train the models together with every process that runs the same command with "
            "the same --out, on this machine or on others with a shared disk.",
        ),
    ] = False,
    seed: options.Seed = None,
    device: options.Device = "auto",
    strict: options.Strict = False,
    track: options.Track = None,
    *,
    reading: options.Reading,
    holding_out: options.HoldingOutForTest,
    protocol: options.FullProtocol = "auto",
    negatives: options.Negatives = None,
    k: options.ComparedCutoffs = None,
    candidate_seed: options.CandidateSeed = None,
    draw: options.Draw = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            help="Metric by which the models are ordered. (default: ndcg at the first k)",
            rich_help_panel=options.PROTOCOL_PANEL,
            show_default=False,
        ),
    ] = None,
    correction: Annotated[
        Literal["holm", "benjamini-hochberg"],
        typer.Option(
            "--correction",
            help="Correction of the p-values for the number of pairs of models.",
            rich_help_panel=options.PROTOCOL_PANEL,
        ),
    ] = "holm",
    cold_start: Annotated[
        bool,
        typer.Option(
            "--cold-start",
            help="Also hold out a tenth of the users entirely, train every model again on the "
            "others, and evaluate it for the unseen users from their first 1, 2, 5, 10 and 20 "
            "interactions.",
            rich_help_panel=options.PROTOCOL_PANEL,
        ),
    ] = False,
    on_ray: options.OnRay,
    json: options.Json = False,
) -> None:
    """Train several models on one split, and show which is best and whether that is significant.

    Example: tastemaker compare ml-100k --models popularity,ease,ncf --set ncf.epochs=20

    The same command again trains only the models that are missing or have different settings or
    data. A model that fails is reported, and the others are still trained: the exit code is 1 if
    some failed, 2 if all did. Ctrl-C ends the comparison and shows the results so far.
    """  # fmt: skip
    from tastemaker.cli.compared_models import compared_models
    from tastemaker.cli.comparing import plan_of, run_comparison
    from tastemaker.cli.evaluating import make_protocol
    from tastemaker.cli.on_ray import joined_ray, model_workers, own_device, refuse_stdin
    from tastemaker.cli.sources import split_of
    from tastemaker.cli.tracking import refuse_missing
    from tastemaker.cli.train import label_of
    from tastemaker.experiments.comparison import deciding_metric, refuse_early

    if share and on_ray.ray is not None:
        raise ConfigError("--ray divides the models itself; leave out --share")
    refuse_stdin(data, on_ray)
    refuse_missing(track)
    unfitted = compared_models(models, set_ or [], config or [], seed)
    folder = out or Path("runs") / f"{label_of(data, holding_out.train)}-comparison"
    cutoffs = tuple(dict.fromkeys(k or (10, 20)))
    deciding_metric(metric, cutoffs)
    own = own_device(on_ray, device)
    refuse_early(folder, unfitted, own)
    with joined_ray(on_ray, device) as cluster:
        read = partial(split_of, data, reading, holding_out, seed)
        the_split = read()
        ranking = make_protocol(
            protocol, negatives, candidate_seed, draw, the_split, default="full"
        )
        read_plan = partial(plan_of, read, ranking, cutoffs, cold_start)
        run_comparison(
            unfitted,
            the_split,
            folder,
            protocol=ranking,
            k=cutoffs,
            metric=metric,
            correction=correction,
            cold_start=cold_start,
            share=share,
            workers=model_workers(cluster, read_plan, unfitted, folder, device),
            device=own,
            strict=strict,
            track=track,
            as_json=json,
        )
