"""`python -m stream.cli` is `r2stream`."""

from stream.cli import main

if __name__ == "__main__":
    main()
