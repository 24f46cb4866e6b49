"""tastemaker learn: trains on the events of a service, and deploys a better model."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tastemaker.cli import options
from tastemaker.cli.common import interrupt_message, note, out, print_json, table_of

if TYPE_CHECKING:
    from tastemaker.serving.learning.learner import LearningRun


def learn(
    run: options.Run,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            envvar="TASTEMAKER_DATABASE",
            help="URL of the database with the events, as given to serve. "
            "(default: RUN.events.db beside the run)",
        ),
    ] = None,
    service: Annotated[
        str, typer.Option("--service", help="Name of the service, as given to serve.")
    ] = "default",
    least: Annotated[
        int, typer.Option("--least", help="Minimum number of new events for a training.", min=1)
    ] = 1,
    json: options.Json = False,
) -> None:
    """Train on the events of a service, and deploy the new model if it is better.

    The newest fifth of the new events, at most 5,000, is held out, and the current model and the
    new one are evaluated on it. A better model is saved beside the run, and running services switch
    to it.

    Example: tastemaker learn runs/demo
    """
    from tastemaker.cli.progress import progress_bar
    from tastemaker.serving.learning.learner import Learner
    from tastemaker.serving.settings import database_url_of
    from tastemaker.serving.store.database import Database

    with (
        interrupt_message("nothing was deployed; the events wait for the next training"),
        Database(database_url_of(run, database)) as opened_database,
        progress_bar() as update_bar,
    ):
        opened_database.migrate()
        result = Learner(run, opened_database, service).learn(least, update_bar)
    if json:
        print_json(vars(result))
    else:
        _show(result, least)


def _show(result: "LearningRun", least: int) -> None:
    if result.evaluable is not None:
        from tastemaker.serving.learning.learner import MIN_USERS

        note(
            f"{result.fresh:,} new events; among the newest fifth, only {result.evaluable:,} users "
            f"have one that can be predicted, and the evaluation needs {MIN_USERS}: an event of a "
            "target kind with an item that other events contain as well"
        )
        return
    if result.figures is None:
        note(f"{result.fresh:,} new events; training needs at least {least:,} (--least)")
        return
    figures = result.figures
    rows: list[dict[str, Any]] = [
        {"metric": name, "new": value, "current": figures["before"].get(name)}
        for name, value in figures["metrics"].items()
    ]
    out.print(table_of(rows, f"{figures['split']}; {figures['n_users']:,} users"))
    difference = figures["difference"]
    low, high = difference["interval"]
    lead = (
        f"{difference['mean']:+.4f} {difference['metric']}, 95% interval {low:+.4f} to {high:+.4f}"
    )
    if result.outcome == "deployed":
        note(f"better by {lead}: version {result.version} was deployed")
    else:
        note(f"not significantly better ({lead}): the current model was kept")
