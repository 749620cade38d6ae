"""A router of which OPTIONS tells the truth."""

from litestar import Router
from litestar.types import RouteHandlerMapItem


class ResourceRouter(Router):
    """Leaves OPTIONS to where it is mounted: the framework's handler knows only what was registered before itself."""

    @property
    def route_handler_method_map(self) -> dict[str, RouteHandlerMapItem]:
        """The handlers by path and method."""
        found = super().route_handler_method_map
        return {path: _without_options(handlers) for path, handlers in found.items()}


def _without_options(handlers: RouteHandlerMapItem) -> RouteHandlerMapItem:
    return {method: handler for method, handler in handlers.items() if method != "OPTIONS"}
