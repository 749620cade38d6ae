"""Valkey, brought along for development and tests; it keeps nothing on disk."""

import signal
import socket
from pathlib import Path

from .home import secret
from .programs import valkey_program
from .server import EmbeddedServer


class EmbeddedValkey(EmbeddedServer):
    """Valkey on a free loopback port."""

    program = "valkey-server"
    signals = ((signal.SIGTERM, 10.0),)

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, "valkey")

    @property
    def password(self) -> str:
        """The password of the default user."""
        return secret(self.home / "password", self.account)

    def prepare(self) -> None:
        """Make the folder that the server works in."""
        self.executable = valkey_program(self.account)
        self.data.mkdir(exist_ok=True)
        self.account.give(self.data, 0o700)

    def command(self, port: int) -> list[str]:
        """The command line; the settings go through a file, since all users see command lines."""
        settings = self.home / "valkey.conf"
        settings.touch(mode=0o600)
        settings.write_text(
            f'bind 127.0.0.1\nport {port}\nrequirepass {self.password}\nsave ""\nappendonly no\nlogfile ""\n'
        )
        self.account.give(settings, 0o600)
        return [str(self.executable), str(settings)]

    def answers(self, port: int) -> bool:
        """Whether our own server is ready on `port`: nobody else takes the password."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                connection.sendall(f"AUTH {self.password}\r\n".encode())
                return connection.recv(16) == b"+OK\r\n"
        except OSError:
            return False

    def url(self, port: int) -> str:
        """How a client connects."""
        return f"redis://:{self.password}@127.0.0.1:{port}/0"
