"""Holdfast's engine: modules, sagas, and one PostgreSQL under both."""

# Putting an application together
from .app import Application
from .clock import Clock
from .config import Config
from .container import Container, Scope

# Tables and entities
from .db import EntityColumns, TableBase, Transaction, UtcDateTime, module_metadata
from .entity import belongs_to, has_many

# Errors
from .errors import ConfigurationError, Forbidden, HoldfastError, InvalidData, NotFound
from .ids import new_id
from .link import Link, Links, define_link
from .module import Entity, Module, Service
from .query import Nested, Page
from .repository import Reader, Repository

# Sagas
from .workflow import PermanentFailure, StepContext, StepFailed, StepResponse, step, workflow

__all__ = [
    "Application",
    "Clock",
    "Config",
    "ConfigurationError",
    "Container",
    "Entity",
    "EntityColumns",
    "Forbidden",
    "HoldfastError",
    "InvalidData",
    "Link",
    "Links",
    "Module",
    "Nested",
    "NotFound",
    "Page",
    "PermanentFailure",
    "Reader",
    "Repository",
    "Scope",
    "Service",
    "StepContext",
    "StepFailed",
    "StepResponse",
    "TableBase",
    "Transaction",
    "UtcDateTime",
    "belongs_to",
    "define_link",
    "has_many",
    "module_metadata",
    "new_id",
    "step",
    "workflow",
]
