"""Runs the version scripts on the connection, and in the transaction, that ``store.migrate`` opened."""

from alembic import context

from idp.store import keys, schema_protocols  # noqa: F401 - their tables are on the same metadata
from idp.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
