"""Where pictures come from: cameras, servers, publishers, files and the demo, all behind one `Source`.

```
source = open_source("rtsp://cam/1", on_state=print)
thread = SourceThread("pitch", source, on_picture=sampler.feed)
thread.start()
...
thread.stop()
```
"""

from stream.sources.connection import Limits
from stream.sources.host_clock import HostClock, SystemClock
from stream.sources.length import recording_length_s
from stream.sources.open import open_source
from stream.sources.source import Source, SourceThread, Surroundings, Wants
from stream.sources.spec import SourceAddressError, SourceSpec
from stream.sources.state import Cause, SourceState, SourceStats, StateName

__all__ = [
    "Cause",
    "HostClock",
    "Limits",
    "Source",
    "SourceAddressError",
    "SourceSpec",
    "SourceState",
    "SourceStats",
    "SourceThread",
    "StateName",
    "Surroundings",
    "SystemClock",
    "Wants",
    "open_source",
    "recording_length_s",
]
