"""Run by Alembic, and by nothing else: the steps run on the connection, and in the transaction, of `migrate`."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()
