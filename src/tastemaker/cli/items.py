"""tastemaker items: imports and exports the catalog of a service as a file."""

from tastemaker.cli import options
from tastemaker.cli.entity_files import Action, File, import_or_export
from tastemaker.cli.groups import grouped


@grouped
def items(
    action: Action, file: File, how: options.EntityFile, item_id: options.CatalogItemId = None
) -> None:
    """Import the items of a file into the catalog of a service, or export them to a file.

    Only the items that were added or changed since the training are exported.

    In an import, each row replaces all fields of its item, as a PUT request to the service does. If
    the service would reject any of the items, nothing is imported; with --run ids and features are
    checked against those of the run. Columns are found by their usual names: title, categories (a
    list, or text separated by |), image_url, hidden, available and features (a JSON object). All
    other columns are features of the items; with --run, those that the items of the run have, and
    of the same kinds. A running service uses the items from its next response on.

    Examples: tastemaker items import products.csv --run runs/demo --item-id sku,
    tastemaker items export items.parquet --run runs/demo
    """
    from tastemaker.serving.store.item_files import export_items, import_items
    from tastemaker.serving.store.items import ItemStore

    import_or_export(
        action, file, how, "items",
        lambda database, path, **given: import_items(ItemStore(database), path, item_id, **given),
        lambda database, path: export_items(ItemStore(database), path),
    )  # fmt: skip
