"""tastemaker evaluate: evaluates a saved model."""

from typing import Annotated, Literal

import typer

from tastemaker.cli import options
from tastemaker.cli.common import interrupt_message, print_json


def evaluate(
    run: options.Run,
    protocol: options.Protocol = "auto",
    negatives: options.Negatives = None,
    k: options.Cutoffs = None,
    candidate_seed: options.CandidateSeed = None,
    draw: options.Draw = None,
    lists: Annotated[
        bool,
        typer.Option(
            "--lists",
            help="Also compute metrics of the lists: coverage, novelty, diversity, long tail.",
        ),
    ] = False,
    part: Annotated[
        Literal["test", "validation"], typer.Option("--part", help="Held-out part to evaluate on.")
    ] = "test",
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Evaluate a run on its held-out interactions, and compare it with popularity.

    Example: tastemaker evaluate runs/ml-100k-ncf --protocol full -k 10 -k 20
    """
    from tastemaker.bundle.bundle import open_run
    from tastemaker.cli.evaluating import make_protocol, print_evaluation
    from tastemaker.cli.progress import progress_bar
    from tastemaker.evaluation.evaluate import evaluate as evaluate_model

    with interrupt_message("the run was not changed"), progress_bar() as update_bar:
        bundle = open_run(run, device)
        ranking = make_protocol(protocol, negatives, candidate_seed, draw, bundle.split)
        result = evaluate_model(
            bundle.model,
            protocol=ranking,
            k=k or [10],
            part=part,
            lists=lists,
            on_progress=update_bar,
        ).to_dict()
    if json:
        print_json(result)
    else:
        print_evaluation(result)
