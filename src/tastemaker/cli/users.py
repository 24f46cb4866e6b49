"""tastemaker users: imports and exports the features of a service's users as a file."""

from tastemaker.cli import options
from tastemaker.cli.entity_files import Action, File, import_or_export
from tastemaker.cli.groups import grouped


@grouped
def users(
    action: Action, file: File, how: options.EntityFile, user_id: options.UserTableId = None
) -> None:
    """Import features of users from a file into a service, or export them to a file.

    Only the features that were sent or imported since the training are exported.

    In an import, each row replaces all features of its user, as a PUT request to the service does.
    If the service would reject any of them, nothing is imported. All columns besides the id are
    features; with --run, those that the users of the run have, and of the same kinds. A column
    features holds further ones as JSON objects. A running service uses them from its next response
    on.

    Examples: tastemaker users import visitors.csv --run runs/demo,
    tastemaker users export users.parquet --run runs/demo
    """
    from tastemaker.serving.store.user_files import export_users, import_users
    from tastemaker.serving.store.users import UserStore

    import_or_export(
        action, file, how, "users",
        lambda database, path, **given: import_users(UserStore(database), path, user_id, **given),
        lambda database, path: export_users(UserStore(database), path),
    )  # fmt: skip
