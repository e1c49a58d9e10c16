"""The command `r2stream`. Importing this loads nothing heavy: each command loads what it needs once it runs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line (`sys.argv` when None is given) and leave with its exit code.

    0: done; 1: it failed, and one sentence on stderr says why; 2: the command line itself is wrong.
    """
    from stream.cli.app import run

    status = run(sys.argv[1:] if arguments is None else arguments)
    if any(thread.name == "engine" for thread in threading.enumerate()):
        # It did not end in time, and PyTorch would abort when the interpreter goes away below it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
