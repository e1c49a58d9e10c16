"""How long to wait before the next try."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Exponential, capped and jittered, so that a thousand clients do not come back in the same second."""

    first_s: float = 0.25
    cap_s: float = 15.0
    rng: random.Random = field(default_factory=random.Random)
    failures: int = 0

    def next_delay_s(self) -> float:
        """Seconds to wait after one more failure: between half and all of the capped exponential."""
        ceiling_s = min(self.cap_s, self.first_s * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return ceiling_s * self.rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Forget past failures, once something worked."""
        self.failures = 0
