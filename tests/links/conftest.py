"""Fixtures of the links' tests."""

import pytest

from core.container import Scope
from core.link import Links

from .records import Records, make_records


@pytest.fixture
async def records(scope: Scope) -> Records:
    """Records of every module, not linked yet."""
    return await make_records(scope)


@pytest.fixture
def links(scope: Scope) -> Links:
    """The link service, on the test's scope."""
    return scope.resolve(Links)
