"""`python -m bench [NAME]`: JSON lines on standard output, how far it is on standard error."""

import logging
import sys

import structlog
import uvloop

from .availability import availability
from .boot import boot
from .expiry import expire_100000
from .figures import say, show
from .footprint import saga_bytes
from .graph import graph
from .ground import ground
from .holds import hold_http_c16, hold_statements
from .jobs import background
from .recovery import recovery_1000
from .saga import saga

ALL = (
    hold_http_c16,
    hold_statements,
    availability,
    graph,
    boot,
    saga,
    saga_bytes,
    recovery_1000,
    background,
    expire_100000,
)
BENCHES = {bench.__name__: bench for bench in ALL}


async def main(only: str) -> int:
    """Run the benchmark named so, else those whose name begins so, or that print the figure named so."""
    near = [bench for name, bench in BENCHES.items() if name.startswith(only) or only.startswith(f"{name}_")]
    chosen = [BENCHES[only]] if only in BENCHES else near
    if not chosen:
        say(f"no benchmark {only!r}; there are {', '.join(BENCHES)}")
        return 2
    with ground() as place:
        for bench in chosen:
            say(bench.__name__)
            async for figure in bench(place):
                show(figure)
    return 0


if __name__ == "__main__":
    # Standard output is for figures, and a saga that fails on purpose is no news.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    sys.exit(uvloop.run(main("".join(sys.argv[1:2]))))
