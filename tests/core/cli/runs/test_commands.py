"""What all commands of `holdfast runs` have in common."""

from collections.abc import Callable

import pytest
from click.testing import Result


@pytest.mark.parametrize("command", ["show", "retry", "cancel", "compensate"])
def test_says_that_there_is_no_such_run(inside: Callable[..., Result], command: str):
    result = inside(command, "run_none")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "holdfast: there is no run run_none\n")


@pytest.mark.parametrize("command", ["list", "show", "retry", "cancel", "compensate"])
def test_explains_itself(inside: Callable[..., Result], command: str):
    result = inside(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout
