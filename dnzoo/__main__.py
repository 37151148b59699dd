"""`python -m dnzoo` is the command `dnzoo`."""

from dnzoo.commands import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
