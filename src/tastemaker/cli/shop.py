"""tastemaker shop: writes the tables of an invented shop."""

from pathlib import Path
from typing import Annotated

import typer

from tastemaker.cli.common import note, out


def shop(
    out_folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder to write to.", show_default=False)
    ],
    n_visitors: Annotated[int, typer.Option("--n-visitors", help="Number of visitors.")] = 3_000,
    n_products: Annotated[int, typer.Option("--n-products", help="Number of products.")] = 1_000,
    mean_views: Annotated[
        int, typer.Option("--mean-views", help="Mean number of views of a visit.")
    ] = 5,
    seed: Annotated[int, typer.Option("--seed", help="Random seed.", min=0)] = 0,
) -> None:
    """Write the tables of an invented shop, to try kinds of events, repeats, values and features.

    The files are shop.csv (events), products.parquet and visitors.csv. Files of these names in the
    folder are replaced.

    Example: tastemaker shop shop/
    """
    from tastemaker.data.shop import shop as generate

    made = generate(n_visitors, n_products, mean_views, seed)
    for path in made.write(out_folder):
        out.print(str(path), markup=False, soft_wrap=True)
    note(
        f"{made.name}: {made.events.height:,} events, {made.visitors.height:,} visitors, "
        f"{made.products.height:,} products"
    )
