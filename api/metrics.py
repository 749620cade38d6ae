"""What Prometheus reads."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from core.app import Application
from core.metrics import CONTENT_TYPE, may_see_metrics, render_metrics

from .errors import NoSuchAddress


@get("/metrics", include_in_schema=False)
async def metrics(request: Request[Any, Any, Any], application: NamedDependency[Application]) -> Response[bytes]:
    """404 for whom `http.metrics` does not let see them, as if they were not there."""
    host = request.client.host if request.client else ""
    if not may_see_metrics(application.config.http.metrics, host, request.headers.keys()):
        raise NoSuchAddress
    body = render_metrics(await application.workflows.gauges.read())
    return Response(body, headers={"Content-Type": CONTENT_TYPE})
