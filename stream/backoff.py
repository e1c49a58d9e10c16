"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Waits that double up to a cap, each shortened by chance so that many that failed do not return together.

    The n-th wait is uniform in `[d/2, d]` with `d = min(cap_s, first_s * 2**n)`.
    """

    first_s: float
    cap_s: float
    chance: random.Random = field(default_factory=random.Random, repr=False)
    _tries: int = field(default=0, init=False)

    def next_s(self) -> float:
        """Seconds to wait before the next try."""
        # Beyond 2**32 the cap decides anyway, and the power stays an ordinary number for ever.
        longest = min(self.cap_s, self.first_s * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return longest * self.chance.uniform(0.5, 1.0)

    def reset(self) -> None:
        """The last try went well: begin with the shortest wait again."""
        self._tries = 0
