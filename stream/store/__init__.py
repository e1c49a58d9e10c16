"""The durable event log, and the definitions that survive a restart."""

from stream.store.clips import ClipRecord
from stream.store.database import StoreError
from stream.store.page import Page
from stream.store.store import Store
from stream.store.waiters import Waiter

__all__ = ["ClipRecord", "Page", "Store", "StoreError", "Waiter"]
