"""The durable event log, and the definitions that survive a restart."""

from stream.store.clips import ClipRecord
from stream.store.database import StoreError
from stream.store.event_log import MomentChoice
from stream.store.file_lock import FileLock
from stream.store.page import Page
from stream.store.reading import next_page
from stream.store.reels import ReelRecord
from stream.store.sink_memory import DeadLetter
from stream.store.store import Store
from stream.store.waiters import Waiter

__all__ = [
    "ClipRecord",
    "DeadLetter",
    "FileLock",
    "MomentChoice",
    "Page",
    "ReelRecord",
    "Store",
    "StoreError",
    "Waiter",
    "next_page",
]
