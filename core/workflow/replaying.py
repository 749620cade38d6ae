"""A mode for tests: the body is dropped after every call and replayed from the journal."""

from collections.abc import Generator
from contextlib import contextmanager


class Replaying:
    """Whether bodies are dropped after every call, in this whole process."""

    after_every_call = False


@contextmanager
def replay_after_every_call() -> Generator[None]:
    """Drop and replay each body after every call of it, as a crash there would: what is not deterministic is parked.

    The journal is read back from the database each time. A child in a branch of `parallel` is not dropped by itself: it
    goes on to its end, and the body around it is dropped then.
    """
    before, Replaying.after_every_call = Replaying.after_every_call, True
    try:
        yield
    finally:
        Replaying.after_every_call = before
