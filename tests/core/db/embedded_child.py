"""A process of its own that starts an embedded server: what the tests kill, race and strip of its rights."""

import os
import sys
from pathlib import Path

from core.db.embedded import EmbeddedPostgres, EmbeddedValkey
from core.db.embedded.account import server_account
from core.db.embedded.programs import postgres_programs


def main() -> None:
    kind, folder, *rest = sys.argv[1:]
    if rest:
        drop_rights(Path(rest[0]))
    server = EmbeddedPostgres(Path(folder), fsync=False) if kind == "postgres" else EmbeddedValkey(Path(folder))
    print(server.start(), flush=True)
    sys.stdin.read()
    server.stop()


def drop_rights(folder: Path) -> None:
    account = server_account()
    # the unprivileged user may not be able to read this checkout: import all that a start imports, and show it a copy
    warm_up = EmbeddedPostgres(folder, fsync=False)
    warm_up.start()
    warm_up.remove()
    sys.path.append(str(postgres_programs(18, account).parents[2]))
    os.setgroups([])
    os.setgid(account.gid)
    os.setuid(account.uid)


if __name__ == "__main__":
    main()
