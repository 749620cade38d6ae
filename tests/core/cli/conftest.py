import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.cli import main
from core.db.branch import branches
from core.testing import DatabaseServer

from .toys import toys

SECRET = "0123456789abcdef0123456789abcdef"

Holdfast = Callable[..., Result]


@pytest.fixture
def toys_database_url(database_server: DatabaseServer) -> str:
    return database_server.reuse(branches([toys])).url


@pytest.fixture(scope="module")
def servers_folder() -> Generator[Path]:
    """A folder that every user can enter, unlike pytest's own, so that servers of root's keep their data in it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def holdfast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Holdfast:
    """`holdfast(*arguments, **environment)` in a folder with a shop of toys."""
    (tmp_path / "holdfast.toml").write_text('modules = ["tests.core.cli.toys"]\n')
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "REDIS_URL", "HOLDFAST_SECRET"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(main, list(arguments), prog_name="holdfast", env=environment)

    return run
