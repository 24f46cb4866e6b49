"""Runs Alembic's migrations on the connection that Database.migrate passes."""

from alembic import context

from tastemaker.serving.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
