"""Migration branches: one per module, its revisions numbered `<module>_<nnnn>` from 0001 without gaps."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Protocol

import msgspec
from sqlalchemy import MetaData

from ..errors import ConfigurationError

CORE = Path(__file__).parents[1] / "migrations"
REVISION = re.compile(r"(?P<branch>[a-z][a-z0-9_]*)_(?P<number>\d{4})")


class Migrated(Protocol):
    """What has migrations: a `Module`."""

    @property
    def name(self) -> str:
        """The name of the branch."""
        ...

    @property
    def migrations(self) -> Path:
        """The folder of the migrations."""
        ...

    @property
    def metadata(self) -> MetaData:
        """The tables as the models have them."""
        ...


class Branch(msgspec.Struct, frozen=True):
    """The migrations of one module and the tables that they are to lead to."""

    name: str
    folder: Path
    metadata: MetaData | None = None
    """None where the migrations are all there is."""

    @property
    def head(self) -> int:
        """The number of the last migration."""
        return last_number(self.folder)

    def revision(self, number: int) -> str:
        """Return the id of a revision, for 0 Alembic's name of the state before the first."""
        return f"{self.name}_{number:04}" if number else f"{self.name}@base"


def branches(modules: Iterable[Migrated]) -> list[Branch]:
    """Return the branches in the order in which they are migrated: the core's, then the modules'."""
    return [Branch("core", CORE), *(Branch(module.name, module.migrations, module.metadata) for module in modules)]


def parse_revision(revision: str) -> tuple[str, int]:
    """Return branch and number of a revision id; raises `ConfigurationError` if it is not of that form."""
    found = REVISION.fullmatch(revision)
    if found is None:
        raise ConfigurationError(f"{revision!r} is not a revision such as booking_0001")
    return found["branch"], int(found["number"])


def missing(wanted: Iterable[Branch], applied: Iterable[str]) -> list[str]:
    """Return the revisions of `wanted` beyond those `applied`; what a newer process applied does no harm."""
    reached = dict(parse_revision(revision) for revision in applied)
    return [
        branch.revision(number)
        for branch in wanted
        for number in range(reached.get(branch.name, 0) + 1, branch.head + 1)
    ]


@cache
def last_number(folder: Path) -> int:
    """Return the highest number of a migration in `folder`, as it was at the first call.

    So a deploy that puts newer files beside a running process does not make that process unready.
    """
    return max((int(path.name[:4]) for path in folder.glob("[0-9][0-9][0-9][0-9]_*.py")), default=0)
