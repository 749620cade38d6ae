"""The tests that look at suites fail when they should."""

from pathlib import Path

import pytest

from .suite import flaws

GOOD = "import pytest\n\n\ndef test_m9_t1_holds():\n    assert True\n\n\ndef test_m9_t2_too():\n    assert True\n"


def flaws_of(folder: Path, source: str) -> list[str]:
    (folder / "suite").mkdir()
    (folder / "suite" / "test_m9.py").write_text(source)
    return flaws(folder, ["suite"], ["m9_t1", "m9_t2"])


def test_finds_nothing_wrong_with_a_whole_suite(tmp_path: Path) -> None:
    assert flaws_of(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("source", "flaw"),
    [
        ("", "no test"),
        ("import missing_module\n" + GOOD, "no test"),
        (GOOD.replace("t2", "t3"), "no test m9_t2"),
        (GOOD.replace("test_m9_t2", "m9_t2"), "no test m9_t2"),
        (GOOD.replace("def test_m9_t2", "@pytest.mark.skip\ndef test_m9_t2"), "test_m9.py: skip"),
        (GOOD.replace("def test_m9_t2", "@pytest.mark.skipif(True, reason='')\ndef test_m9_t2"), "test_m9.py: skipif"),
        (GOOD.replace("def test_m9_t2", "@pytest.mark.xfail\ndef test_m9_t2"), "test_m9.py: xfail"),
        (GOOD.replace("assert True", "pytest.skip('later')"), "test_m9.py: skip"),
        (GOOD.replace("assert True", "pytest.xfail('later')"), "test_m9.py: xfail"),
        (GOOD + "pytest.importorskip('missing_module')\n", "test_m9.py: importorskip"),
    ],
    ids=["empty", "broken", "renamed", "hidden", "skip", "skipif", "xfail", "skips", "xfails", "importorskip"],
)
def test_finds_what_is_wrong_with_a_suite(tmp_path: Path, source: str, flaw: str) -> None:
    assert flaw in flaws_of(tmp_path, source)


def test_finds_a_skip_that_stands_in_a_conftest_above(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from pytest import skip\n")
    assert flaws_of(tmp_path, GOOD) == ["conftest.py: skip"]
