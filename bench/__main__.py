"""`python -m bench [NAME]`: JSON lines on standard output, how far it is on standard error."""

import sys

import uvloop

from .availability import availability
from .boot import boot
from .figures import say, show
from .graph import graph
from .ground import ground
from .holds import hold_http_c16, hold_statements
from .saga import saga

BENCHES = {bench.__name__: bench for bench in (hold_http_c16, hold_statements, availability, graph, boot, saga)}


async def main(only: str) -> int:
    """Run the benchmarks whose name begins so, or those that print the figure named so."""
    chosen = [bench for name, bench in BENCHES.items() if name.startswith(only) or only.startswith(f"{name}_")]
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
    sys.exit(uvloop.run(main("".join(sys.argv[1:2]))))
