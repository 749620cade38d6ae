"""Workflows that make and dismiss pairs, and may fail afterwards."""

from msgspec import Struct

from core.link import LinkPairs, Links, create_links, dismiss_links
from core.workflow import PermanentFailure, StepContext, step, workflow

from .library import BOOK, BookService, Create, book_author


class Job(Struct, frozen=True, kw_only=True):
    pairs: LinkPairs
    fails: bool = False


@step("maybe-fail")
async def maybe_fail(ctx: StepContext, fails: bool) -> None:
    if fails:
        raise PermanentFailure("as asked")


@workflow("link-them", version=1)
async def link_them(job: Job) -> None:
    await create_links(job.pairs)
    await maybe_fail(job.fails)


@workflow("part-them", version=1)
async def part_them(job: Job) -> None:
    await dismiss_links(job.pairs)
    await maybe_fail(job.fails)


@step("write-and-ask")
async def write_and_ask(ctx: StepContext, author_id: str) -> list[str]:
    [book] = await ctx.resolve(BookService).books.create([Create(name="new")])
    await ctx.resolve(Links).create(book_author, [(book.id, author_id)])
    found = await ctx.scope.query.graph(BOOK, fields=["name"], filters={"author.id": author_id})
    return [one["name"] for one in found.data]


@workflow("write-and-ask", version=1)
async def write_and_ask_in_a_step(author_id: str) -> list[str]:
    return await write_and_ask(author_id)


WORKFLOWS = [link_them, part_them, write_and_ask_in_a_step]
