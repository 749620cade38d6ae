"""Workflows that make and dismiss pairs, and may fail afterwards."""

from msgspec import Struct

from core.link import LinkPairs, create_links, dismiss_links
from core.workflow import PermanentFailure, StepContext, step, workflow


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


WORKFLOWS = [link_them, part_them]
