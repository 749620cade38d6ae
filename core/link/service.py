"""The link service: makes, dismisses and lists pairs, and deletes along links."""

import builtins
from collections.abc import Sequence
from typing import Any

from ..container import Scope
from ..errors import InvalidData
from ..repository import Filters
from ..repository.selection import checked_number
from .cascade import CascadingDeletion
from .definition import AnyEntity, Link
from .pairs import LinkedPair, Pair, Pairs, as_link_errors, as_pair, checked
from .registry import LinkRegistry
from .statements import creation, dismissal, listing, locking, removal, reversal


class Links:
    """Which records belong together: `scope.resolve(Links)`; pairs are named left id first.

        await links.create(booking_order, [(booking.id, order.id)])
        await links.create(bundle_product, {(bundle.id, product.id): {"quantity": 2}})
        await links.dismiss(booking_order, [(booking.id, order.id)])

    Each is one statement however many pairs there are, in the caller's transaction, `NoTransaction` without one. Let
    the transaction roll back when one raises.
    """

    def __init__(self, scope: Scope, registry: LinkRegistry) -> None:
        self._scope = scope
        self._registry = registry

    def named(self, name: str) -> Link:
        """Return the link of that name; raise `InvalidData` if there is none."""
        if name not in self._registry.links:
            raise InvalidData(f"there is no link {name!r}", field="link")
        return self._registry.links[name]

    async def create(self, link: Link, pairs: Pairs) -> builtins.list[LinkedPair]:
        """Make pairs, revive dismissed ones, and set the extra columns that are given; live ones may be among them.

        Raises `LinkTaken` where a side has another partner already, `NotFound` for an id that is not there,
        `InvalidData` for an extra column that is unknown or does not fit.
        """
        transaction = self._scope.session.writable("links.create")
        rows = checked(link, pairs)
        if not rows:
            return []
        with as_link_errors(link, list(rows)):
            made = (await transaction.execute(creation(link, rows, self._scope.clock.now()))).all()
        return _in_order(rows, [as_pair(link, row) for row in made])

    async def dismiss(self, link: Link, pairs: Sequence[Pair]) -> builtins.list[LinkedPair]:
        """Part pairs and return those that were live; the others are left alone."""
        transaction = self._scope.session.writable("links.dismiss")
        rows = checked(link, pairs)
        if not rows:
            return []
        dismissed = (await transaction.execute(dismissal(link, rows, self._scope.clock.now()))).all()
        return _in_order(rows, [as_pair(link, row) for row in dismissed])

    async def list(
        self,
        link: Link,
        filters: Filters | None = None,
        *,
        take: int | None = None,
        skip: int = 0,
        with_deleted: bool = False,
    ) -> builtins.list[LinkedPair]:
        """Return pairs by the columns of their table, e.g. `{"booking_id": booking.id}`, in the order of their ids.

        Dismissed pairs and those of a deleted record are hidden unless `with_deleted`.
        """
        statement = listing(link, filters or {}, with_deleted=with_deleted).offset(checked_number("skip", skip))
        if take is not None:
            statement = statement.limit(checked_number("take", take))
        return [as_pair(link, row) for row in await self._scope.session.read(statement)]

    async def delete(self, entity: AnyEntity, ids: Sequence[str]) -> None:
        """Soft-delete records, and transitively the live ones that a `delete_cascade` leads to, by their repositories.

        Pairs stay, hidden, and keep their sides taken. Raises `NotFound`, and whatever a repository refuses with.
        """
        deletion = self._deletion("links.delete")
        if ids:
            await deletion.delete(entity, ids)

    async def restore(self, entity: AnyEntity, ids: Sequence[str]) -> None:
        """Restore records, and of what `delete` took along with them all that nobody restored or deleted since."""
        deletion = self._deletion("links.restore")
        if ids:
            await deletion.restore(entity, ids)

    async def lock(self, link: Link, pairs: Pairs) -> builtins.list[LinkedPair]:
        """Return the pairs as they are stored, dismissed ones too, locked until the transaction ends."""
        transaction = self._scope.session.writable("links.lock")
        rows = await transaction.execute(locking(link, checked(link, pairs)))
        return [as_pair(link, row) for row in rows]

    async def put_back(self, link: Link, *, before: Sequence[LinkedPair], made: Sequence[Pair]) -> None:
        """Make pairs what they were `before`, and remove for good those that were `made` since.

        Raises `LinkTaken` where one that was live has lost its place.
        """
        transaction = self._scope.session.writable("links.put_back")
        if made:
            await transaction.execute(removal(link, made))
        if before:
            with as_link_errors(link, [(pair.left_id, pair.right_id) for pair in before]):
                await transaction.execute(reversal(link, before))

    def _deletion(self, method: str) -> CascadingDeletion:
        return CascadingDeletion(self._scope, self._registry, self._scope.session.writable(method))


def _in_order(rows: dict[Pair, dict[str, Any]], pairs: Sequence[LinkedPair]) -> list[LinkedPair]:
    found = {(pair.left_id, pair.right_id): pair for pair in pairs}
    return [found[pair] for pair in rows if pair in found]
