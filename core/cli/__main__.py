"""`python -m core.cli` is `holdfast`."""

from . import main

if __name__ == "__main__":
    main(prog_name="holdfast")
