"""Branches of migrations written by a test."""

from pathlib import Path

from sqlalchemy import Column, Index, Integer, MetaData, Table, Text

from core.db import module_metadata
from core.db.branch import Branch

MIGRATION = '''"""A step."""

from alembic import op

revision = "{branch}_{number:04}"
down_revision = {before!r}
branch_labels = {labels!r}
depends_on = None


def upgrade() -> None:
{up}


def downgrade() -> None:
{down}
'''

TOY = ("op.execute('CREATE TABLE toy (id text PRIMARY KEY, name text)')", "op.execute('DROP TABLE toy')")
TOY_NAME = (
    """op.execute('CREATE INDEX "IDX_toy_name" ON toy (name)')""",
    """op.execute('DROP INDEX "IDX_toy_name"')""",
)
TOY_NAME_CONCURRENTLY = (
    "with op.get_context().autocommit_block():\n"
    """        op.execute('CREATE INDEX CONCURRENTLY "IDX_toy_name" ON toy (name)')""",
    """op.execute('DROP INDEX "IDX_toy_name"')""",
)
NOTHING = ("pass", "pass")
BROKEN = ("op.execute('CREATE TABLE half (id text)')\n    op.execute('SELECT broken')", "pass")


def write_branch(folder: Path, *steps: tuple[str, str], name: str = "toys", metadata: MetaData | None = None) -> Branch:
    """Write migrations, each given as the bodies of its upgrade and downgrade."""
    folder = folder / name
    folder.mkdir(parents=True)
    for number, (up, down) in enumerate(steps, 1):
        before = f"{name}_{number - 1:04}" if number > 1 else None
        labels = (name,) if number == 1 else None
        source = MIGRATION.format(
            branch=name, number=number, before=before, labels=labels, up=f"    {up}", down=f"    {down}"
        )
        (folder / f"{number:04}_step.py").write_text(source)
    return Branch(name, folder, metadata)


def toy_metadata(*, size: bool = False, index: bool = False) -> MetaData:
    """Return the model of a toy, with a column or an index more."""
    metadata = module_metadata()
    toy = Table("toy", metadata, Column("id", Text, primary_key=True), Column("name", Text))
    if size:
        toy.append_column(Column("size", Integer))
    if index:
        Index("IDX_toy_name", toy.c.name)
    return metadata
