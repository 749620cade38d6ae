"""What tests of a shop need; `core.testing.plugin` has the pytest fixtures."""

from .application import application_on, config_on
from .clock import move_clock
from .databases import DatabaseServer, TemporaryDatabase
from .failpoints import crash_at
from .processes import ServerProcess

__all__ = [
    "DatabaseServer",
    "ServerProcess",
    "TemporaryDatabase",
    "application_on",
    "config_on",
    "crash_at",
    "move_clock",
]
