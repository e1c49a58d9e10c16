"""Work spread over processes, results in order, with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

from rich.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int, progress: Progress, name: str
) -> Iterator[Result]:
    """`work(item)` for every item, in order; at most a few results wait at a time."""
    task = progress.add_task(name, total=len(items))
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        remaining = iter(items)
        waiting = [pool.submit(work, item) for item in islice(remaining, 4 * processes)]
        while waiting:
            result = waiting.pop(0).result()
            waiting.extend(pool.submit(work, item) for item in islice(remaining, 1))
            progress.advance(task)
            yield result
