"""PostgreSQL, brought along for development and tests."""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from .errors import EmbeddedFailed
from .home import secret
from .programs import postgres_programs
from .server import ENVIRONMENT, EmbeddedServer

NAME = "holdfast"
"""The database, and its owner."""
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL 16 or 18 on a free loopback port; `fsync=False` gives durability away for speed, in tests."""

    program = "postgres"
    signals = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0))  # fast shutdown, then immediate

    def __init__(self, data_dir: Path, *, version: int = 18, fsync: bool = True) -> None:
        super().__init__(data_dir, f"postgres-{version}")
        self.version = version
        self.fsync = fsync

    @property
    def password(self) -> str:
        """The password of the database's owner."""
        return secret(self.home / "password", self.account)

    def prepare(self) -> None:
        """Make the cluster under a passing name, so that one cut short is never taken for a whole one."""
        self.programs = postgres_programs(self.version, self.account)
        if self.data.exists():
            return
        for cut_short in self.home.glob("data.*"):
            shutil.rmtree(cut_short, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix="data.", dir=self.home))
        self.account.give(draft, 0o700)
        self._init(draft)
        draft.rename(self.data)

    def command(self, port: int) -> list[str]:
        """The command line that serves `port` in the foreground."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
        } | ({} if self.fsync else NOT_DURABLE)
        # no server lives in the folder at this point, so the pid in it is a dead one's, perhaps in use again elsewhere
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self.programs / self.program), "-D", str(self.data), *options]

    def answers(self, port: int) -> bool:
        """Whether our own server is ready on `port`; makes the database at the first time."""
        try:
            with psycopg.connect(self._conninfo(port, "postgres"), autocommit=True) as connection:
                serves = connection.execute("SHOW data_directory").fetchone()
                if serves != (str(self.data),):
                    return False
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
                    connection.execute(f"CREATE DATABASE {NAME}")
        except psycopg.OperationalError:
            return False
        return True

    def url(self, port: int) -> str:
        """How a client connects."""
        return f"postgresql://{NAME}:{self.password}@127.0.0.1:{port}/{NAME}"

    def _conninfo(self, port: int, database: str) -> str:
        return (
            f"host=127.0.0.1 port={port} user={NAME} password={self.password} dbname={database} connect_timeout=2"
            " sslmode=disable gssencmode=disable require_auth=scram-sha-256 application_name=holdfast-supervisor"
        )

    def _init(self, folder: Path) -> None:
        passwords = self.home / "password"
        secret(passwords, self.account)
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if self.version >= 17 else []
        done = subprocess.run(
            [
                *(str(self.programs / "initdb"), "--pgdata", str(folder), "--username", NAME),
                *("--pwfile", str(passwords), "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--locale=C", *locale),
                *([] if self.fsync else ["--no-sync"]),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=ENVIRONMENT,
            check=False,
            **self.account.identity,
        )
        if done.returncode:
            raise EmbeddedFailed(f"initdb failed:\n{done.stdout[-2000:]}")
