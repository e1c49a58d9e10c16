"""What the API asks of the reels: a new one, how each is doing, where its file is."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from stream.clips.packets import Container
from stream.clips.remote import RemoteFile
from stream.errors import ConflictError, NotFoundError
from stream.events import ReelData, ReelWish
from stream.reels.maker import ReelMaker, removed
from stream.reels.place import ReelPlace
from stream.store import ReelRecord, Store


class ReelDesk:
    """Implements `stream.api.protocol.Reels`. Methods may be called from any thread."""

    def __init__(self, store: Store, place: ReelPlace, maker: ReelMaker) -> None:
        self._store = store
        self._place = place
        self._maker = maker

    def request(self, wish: ReelWish) -> ReelData:
        """A new reel. Raises ConflictError when too many wait."""
        return self._maker.submit(uuid4().hex, wish)

    def get(self, reel_id: str) -> ReelData:
        """How a reel is doing. Raises NotFoundError."""
        return self._shown(self._record(reel_id).data)

    def newest(self, limit: int) -> list[ReelData]:
        """The newest reels, less those that were removed."""
        return [self._shown(record.data) for record in self._store.reels.newest(limit)]

    def video(self, reel_id: str, container: Container) -> Path | RemoteFile:
        """A reel's file. Raises ConflictError while it is pending, and NotFoundError when there is none."""
        data = self._record(reel_id).data
        if data.state == "pending":
            raise ConflictError(f"the reel '{reel_id}' is not ready yet; try again", code="reel_pending")
        if data.state != "ready":
            raise NotFoundError(data.reason or f"the reel '{reel_id}' has no file", code=f"reel_{data.state}")
        if data.container != container:
            raise NotFoundError(f"the reel '{reel_id}' is {data.container}: {data.url}")
        return self._place.open(reel_id, container, data.bytes)

    def remove(self, reel_id: str) -> None:
        """Take a reel away, or let it not be made. Raises NotFoundError, and ConflictError while it is being read."""
        record = self._record(reel_id)
        if record.data.state == "removed":
            raise NotFoundError(f"there is no reel '{reel_id}'")
        if record.data.state == "ready":
            self._place.remove(reel_id)
        # Its row stays: a reel of the settings is not made for the same day once more.
        gone = removed(record.data, "Somebody has removed it.")
        self._store.reels.save(ReelRecord(gone, record.created_s, told=True))
        if record.data.state == "pending":
            self._maker.cancel(reel_id)

    def _record(self, reel_id: str) -> ReelRecord:
        record = self._store.reels.find(reel_id)
        if record is None:
            raise NotFoundError(f"there is no reel '{reel_id}'")
        return record

    def _shown(self, data: ReelData) -> ReelData:
        if data.state != "pending":
            return data
        return data.model_copy(update={"progress": self._maker.progress(data.reel_id)})
