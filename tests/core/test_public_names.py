"""What `from core import ...` offers."""

import inspect

import core


def test_the_public_names_are_few_and_described() -> None:
    assert 20 <= len(core.__all__) <= 35
    assert len(set(core.__all__)) == len(core.__all__)
    undescribed = [name for name in core.__all__ if not inspect.getdoc(getattr(core, name))]
    assert undescribed == []
