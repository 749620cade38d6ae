"""Who an embedded server runs as: PostgreSQL refuses root, and nothing here needs it."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from .errors import EmbeddedFailed

UNPRIVILEGED = "nobody"


class Identity(TypedDict, total=False):
    """Arguments of `subprocess` that change the user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """A user of this machine, by number."""

    uid: int
    gid: int

    @property
    def is_me(self) -> bool:
        """Whether this process runs as that user already."""
        return self.uid == os.geteuid()

    @property
    def identity(self) -> Identity:
        """What `subprocess` needs to run a program as this user; nothing where that is so already."""
        return {} if self.is_me else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def reaches(self, path: Path) -> bool:
        """Whether this user may enter every folder above `path` and read it.

        Modes only: a folder opened by an access list alone counts as closed, which merely costs a copy.
        """
        if self.is_me:
            return True
        path = path.resolve()
        wanted = stat.S_IRWXO & ~stat.S_IWOTH
        return self._allows(path, wanted) and all(self._allows(parent, stat.S_IXOTH) for parent in path.parents)

    def _allows(self, path: Path, bits: int) -> bool:
        status = path.stat()
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        return (status.st_mode >> shift) & bits == bits

    def give(self, path: Path, mode: int) -> None:
        """Make `path` this user's own, with `mode`."""
        path.chmod(mode)
        if not self.is_me:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_account() -> Account:
    """The user that servers run as: this one, or `nobody` when this one is root."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise EmbeddedFailed(f"PostgreSQL refuses to run as root, and there is no user {UNPRIVILEGED}") from None
    return Account(entry.pw_uid, entry.pw_gid)
