"""What tests of a shop need; `core.testing.plugin` has the pytest fixtures."""

from ..workflow.replaying import replay_after_every_call
from .application import application_on, config_on
from .clock import move_clock
from .databases import DatabaseServer, TemporaryDatabase
from .failpoints import crash_at
from .journals import Journal, replay_journal
from .processes import ServerProcess

__all__ = [
    "DatabaseServer",
    "Journal",
    "ServerProcess",
    "TemporaryDatabase",
    "application_on",
    "config_on",
    "crash_at",
    "move_clock",
    "replay_after_every_call",
    "replay_journal",
]
