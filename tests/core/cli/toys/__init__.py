"""A module for tests of the command line: it brings a demo, a check and a command."""

from collections.abc import Sequence

import click

from core.container import Scope
from core.module import Module

from .service import TOY, CreateToy, ToyService


async def demo(scope: Scope) -> None:
    async with scope.transaction():
        await scope.resolve(ToyService).toys.create([CreateToy(name="bear")])


async def every_toy_has_a_name(scope: Scope) -> Sequence[str]:
    toys = await scope.resolve(ToyService).toys.list({"name": ""})
    return [f"{toy.id} has no name" for toy in toys]


@click.command()
def play() -> None:
    """Play with the toys."""
    click.echo("playing")


toys = Module(
    "toys", service=ToyService, entities=[TOY], demo=demo, checks={"names": every_toy_has_a_name}, commands=[play]
)
