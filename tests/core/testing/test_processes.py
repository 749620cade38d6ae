import psutil
import pytest

from core.testing import ServerProcess
from core.testing.processes import answers


def processes(server: ServerProcess) -> list[psutil.Process]:
    main = psutil.Process(server.pid)
    return [main, *main.children(recursive=True)]


def test_a_server_answers_until_it_is_stopped(database_url: str):
    with ServerProcess(database_url, workers=2) as server:
        assert answers(f"{server.base_url}/ready")
        family = processes(server)
        assert '"path":"/ready"' in server.log

    assert not answers(f"{server.base_url}/ready")
    assert len(family) > 2
    assert psutil.wait_procs(family, timeout=5)[1] == []
    assert '"path":"/ready"' in server.log


def test_a_killed_server_leaves_no_worker(database_url: str):
    server = ServerProcess(database_url, workers=2)
    server.start()
    family = processes(server)

    server.kill()

    assert psutil.wait_procs(family, timeout=5)[1] == []


def test_a_server_that_cannot_start_shows_its_log(database_url: str):
    server = ServerProcess(database_url, environ={"HOLDFAST_ENGINE_BEAT_SECONDS": "soon"})

    with pytest.raises(RuntimeError, match="Expected `float`"):
        server.start()
