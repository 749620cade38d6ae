"""Steps that make and dismiss pairs."""

from typing import Any

from msgspec import Struct

from ..workflow import StepContext, StepResponse, step
from .definition import Link
from .pairs import LinkedPair, Pair, Pairs, with_extra
from .service import Links


class LinkPair(Struct, frozen=True, kw_only=True):
    """One pair, with what it gives of the extra columns."""

    left_id: str
    right_id: str
    extra: dict[str, Any] = {}


class LinkPairs(Struct, frozen=True, kw_only=True):
    """Pairs of one link: `LinkPairs.of(booking_order, [(booking.id, order.id)])`."""

    link: str
    pairs: list[LinkPair]

    @classmethod
    def of(cls, link: Link, pairs: Pairs) -> "LinkPairs":
        """Return the pairs, given as to `Links.create`."""
        given = with_extra(pairs)
        made = [LinkPair(left_id=left, right_id=right, extra=dict(extra)) for (left, right), extra in given]
        return cls(link=link.name, pairs=made)

    def by_ids(self) -> dict[Pair, dict[str, Any]]:
        """Return the pairs as `Links.create` takes them."""
        return {(pair.left_id, pair.right_id): pair.extra for pair in self.pairs}


class LinkUndo(Struct, frozen=True, kw_only=True):
    """What takes a change of pairs back."""

    link: str
    before: list[LinkedPair]
    made: list[Pair]


@step("create-links")
async def create_links(ctx: StepContext, data: LinkPairs) -> StepResponse[None, LinkUndo]:
    """Make pairs as `Links.create` does; undone, new ones are gone, revived and changed ones are as they were."""
    links = ctx.resolve(Links)
    link = links.named(data.link)
    before = await links.lock(link, data.by_ids())
    created = await links.create(link, data.by_ids())
    # One that is older, be it by a moment that somebody else needed since the look at it, is not ours to remove.
    made = [(pair.left_id, pair.right_id) for pair in created if pair.created_at == pair.updated_at]
    return StepResponse(None, compensate_with=LinkUndo(link=link.name, before=before, made=made))


@create_links.compensate
async def part_created_links(ctx: StepContext, undo: LinkUndo) -> None:
    """Leave the pairs as if they had never been made."""
    await _put_back(ctx, undo)


@step("dismiss-links")
async def dismiss_links(ctx: StepContext, data: LinkPairs) -> StepResponse[None, LinkUndo]:
    """Part pairs as `Links.dismiss` does; undone, those that were live are so again."""
    links = ctx.resolve(Links)
    link = links.named(data.link)
    before = await links.lock(link, data.by_ids())
    await links.dismiss(link, list(data.by_ids()))
    live = [pair for pair in before if pair.deleted_at is None]
    return StepResponse(None, compensate_with=LinkUndo(link=link.name, before=live, made=[]))


@dismiss_links.compensate
async def revive_dismissed_links(ctx: StepContext, undo: LinkUndo) -> None:
    """Bring the pairs back."""
    await _put_back(ctx, undo)


async def _put_back(ctx: StepContext, undo: LinkUndo) -> None:
    links = ctx.resolve(Links)
    await links.put_back(links.named(undo.link), before=undo.before, made=undo.made)
