"""Records of the library for a test."""

from core.container import Scope

from .library import AuthorService, BookService, Create, ReviewService


class Records:
    """Makes records, each in a transaction of its own, and tells which are live."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.authors = scope.resolve(AuthorService).authors
        self.books = scope.resolve(BookService).books
        self.reviews = scope.resolve(ReviewService).reviews

    async def author(self) -> str:
        async with self.scope.transaction():
            return (await self.authors.create([Create()]))[0].id

    async def book(self) -> str:
        async with self.scope.transaction():
            return (await self.books.create([Create()]))[0].id

    async def review(self) -> str:
        async with self.scope.transaction():
            return (await self.reviews.create([Create()]))[0].id

    async def live(self) -> set[str]:
        found = [await each.list() for each in (self.authors, self.books, self.reviews)]
        return {record.id for records in found for record in records}
