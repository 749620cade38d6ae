"""Where a server's files live: in the caller's folder, or where an unprivileged user can reach them."""

import hashlib
import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from .account import Account
from .errors import EmbeddedFailed

STATE_FOLDER = Path("/var/lib")
"""Where the file system standard puts the state of programs; only root can write there."""


def server_home(data_dir: Path, name: str, account: Account) -> Path:
    """The folder of server `name` for `data_dir`, made if missing: the same one at every call.

    It belongs to the caller and nobody else can write in it, so no other user can plant a file or a link there.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    folder = data_dir.resolve()
    if account.reaches(folder):
        return own_folder(folder / name)
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return own_folder(shared_folder(account) / f"{digest}-{name}")


def shared_folder(account: Account) -> Path:
    """A folder of root's that `account` can enter, for what it cannot reach where it is."""
    for parent in (STATE_FOLDER, Path(tempfile.gettempdir())):
        if parent.is_dir() and account.reaches(parent) and os.access(parent, os.W_OK):
            return own_folder(parent / "holdfast")
    raise EmbeddedFailed(f"user {account.uid} can reach neither {STATE_FOLDER} nor the temporary folder")


def own_folder(folder: Path) -> Path:
    """Make `folder` ours: others may pass through it, never write. Raises `EmbeddedFailed` if it is another's."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o755)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise EmbeddedFailed(f"{folder} exists but is not a folder that only user {os.geteuid()} can write")
    folder.chmod(0o755)
    return folder


def write_whole(path: Path, text: str) -> None:
    """Write under a passing name and rename, so that a crash leaves the old text or the new."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(path)


def secret(path: Path, account: Account) -> str:
    """The random password in `path`, made at first use; only `account` and root can read it."""
    if not path.exists():
        draft = path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(16))
        account.give(draft, 0o600)
        draft.replace(path)
    return path.read_text()
