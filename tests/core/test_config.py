from pathlib import Path

import pytest

from core.config import Config
from core.errors import ConfigurationError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "holdfast.toml"
    path.write_text('modules = ["modules.booking"]\n[shop]\nname = "Barber"\nhold_seconds = 300\n')
    return path


def test_reads_the_file_and_fills_in_the_rest(file: Path) -> None:
    config = Config.load(file, {})
    assert config.modules == ["modules.booking"]
    assert (config.shop.name, config.shop.hold_seconds, config.shop.timezone) == ("Barber", 300, "UTC")
    assert config.http.port == 9000
    assert (config.database.url, config.redis_url, config.secrets) == ("", "", [])


def test_the_environment_wins(file: Path) -> None:
    environ = {"HOLDFAST_SHOP_NAME": "Spa", "HOLDFAST_HTTP_PORT": "9100", "HOLDFAST_ENGINE_BEAT_SECONDS": "0.5"}
    config = Config.load(file, environ)
    assert (config.shop.name, config.http.port, config.engine.beat_seconds) == ("Spa", 9100, 0.5)
    assert config.shop.hold_seconds == 300


def test_an_empty_variable_counts_as_not_set(file: Path) -> None:
    assert Config.load(file, {"HOLDFAST_SHOP_NAME": "", "DATABASE_URL": ""}).shop.name == "Barber"


def test_the_usual_variables_name_the_servers(file: Path) -> None:
    config = Config.load(file, {"DATABASE_URL": "postgres://db/shop", "REDIS_URL": "redis://cache"})
    assert (config.database.url, config.redis_url) == ("postgres://db/shop", "redis://cache")


def test_the_present_secret_comes_before_the_old_ones(file: Path) -> None:
    config = Config.load(file, {"HOLDFAST_SECRET": "new", "HOLDFAST_OLD_SECRETS": "old, older,"})
    assert config.secrets == ["new", "old", "older"]


def test_old_secrets_sign_nothing_by_themselves(file: Path) -> None:
    assert Config.load(file, {"HOLDFAST_OLD_SECRETS": "old"}).secrets == []


def test_secrets_never_come_from_the_file(file: Path) -> None:
    file.write_text('secrets = ["written down"]')
    assert Config.load(file, {}).secrets == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[shop]\nnmae = 1", "nmae"),
        ("[shop]\nname = 1", "shop.name"),
        ("[http]\nport = 'high'", "http.port"),
        ("[shop]\nhold_seconds = 0", "shop.hold_seconds"),
        ("[shop]\nhold_seconds = nan", "shop.hold_seconds"),
        ("[database]\nstatement_timeout_seconds = -1", "database.statement_timeout_seconds"),
        ("[http]\nport = 65536", "http.port"),
        ("[http]\nworkers = 0", "http.workers"),
        ("[engine]\nbeat_seconds = 7", "engine.lease_seconds"),
        ("[shop", "holdfast.toml"),
    ],
)
def test_says_what_is_wrong_with_the_file(file: Path, text: str, named: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=named):
        Config.load(file, {})


def test_refuses_a_file_that_is_not_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"holdfast\.toml"):
        Config.load(file, {})


def test_says_where_to_run_when_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="root folder"):
        Config.load(tmp_path / "holdfast.toml", {})


def test_who_may_read_the_metrics_is_one_of_three(file: Path) -> None:
    assert Config.load(file, {}).http.metrics == "loopback"
    assert Config.load(file, {"HOLDFAST_HTTP_METRICS": "everyone"}).http.metrics == "everyone"
    with pytest.raises(ConfigurationError, match=r"http\.metrics"):
        Config.load(file, {"HOLDFAST_HTTP_METRICS": "public"})
