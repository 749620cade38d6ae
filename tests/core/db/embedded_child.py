"""A process of its own that starts an embedded server: what the tests kill, race and strip of its rights."""

import os
import sys
from pathlib import Path

from core.db.embedded import EmbeddedPostgres, EmbeddedValkey


def main() -> None:
    kind, folder, *rest = sys.argv[1:]
    if rest:
        # imports are done by now or after this: an unprivileged user may not be able to read the interpreter's files
        warm_up(Path(rest[1]))
        os.setgroups([])
        os.setgid(int(rest[0]))
        os.setuid(int(rest[0]))
    server = EmbeddedPostgres(Path(folder), fsync=False) if kind == "postgres" else EmbeddedValkey(Path(folder))
    print(server.start(), flush=True)
    sys.stdin.read()
    server.stop()


def warm_up(folder: Path) -> None:
    server = EmbeddedPostgres(folder, fsync=False)
    server.start()
    server.remove()


if __name__ == "__main__":
    main()
