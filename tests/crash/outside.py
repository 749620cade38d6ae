"""The outside world: a process of its own that writes down what it is asked, and answers."""

import asyncio
import multiprocessing
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

HERE = multiprocessing.get_context("forkserver")
"""Child processes of a clean server process, which has imported what they need."""
HERE.set_forkserver_preload(["tests.crash.worker"])


class Outside:
    """The way to the outside."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def tell(self, verb: str, token: str) -> None:
        """Return when the outside has noted it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(f"{verb} {token}\n".encode())
            await reader.readline()
        finally:
            writer.close()


@contextmanager
def outside(notes: Path) -> Generator[int]:
    """Run the outside, which appends to `notes`; gives its port."""
    ours, its = HERE.Pipe()
    process = HERE.Process(target=_serve, args=(str(notes), its), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve(notes: str, parent: Connection) -> None:
    asyncio.run(_listen(Path(notes), parent))


async def _listen(notes: Path, parent: Connection) -> None:
    with notes.open("ab", buffering=0) as file:

        async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line = await reader.readline()
            if line.endswith(b"\n"):
                file.write(line)
                writer.write(b"noted\n")
            writer.close()

        server = await asyncio.start_server(note, "127.0.0.1", 0)
        parent.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()


def read(notes: Path) -> list[tuple[str, str]]:
    """Return what was noted so far: verb and token."""
    verbs = [line.split(" ") for line in notes.read_text().splitlines()]
    return [(verb, token) for verb, token in verbs]
