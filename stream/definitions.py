"""What is defined: by the settings file, which only its owner changes, and by the API, which the store keeps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from stream.errors import ConfigError, ConflictError, NotFoundError

_log = logging.getLogger(__name__)


class Defined(Protocol):
    """A stream's or a query's definition."""

    @property
    def name(self) -> str: ...

    def to_mapping(self) -> dict[str, object]: ...


class Shelf(Protocol):
    """Where the definitions of one kind survive a restart."""

    def all(self) -> dict[str, dict[str, object]]: ...

    def save(self, name: str, definition: Mapping[str, object]) -> None: ...

    def delete(self, name: str) -> bool: ...


D = TypeVar("D", bound=Defined)


@dataclass(frozen=True)
class Definition(Generic[D]):
    """One definition, and the Unix time since which it is so."""

    value: D
    since_s: float


class Definitions(Generic[D]):
    """All definitions of one kind. One thread changes them at a time; any may read."""

    def __init__(
        self,
        kind: str,
        from_file: Mapping[str, D],
        shelf: Shelf,
        parse: Callable[[str, object], D],
        wall_time_s: Callable[[], float],
    ) -> None:
        """Where the file and the store both define a name, the file wins."""
        self._kind = kind
        self._shelf = shelf
        self._parse = parse
        self._wall_time_s = wall_time_s
        # Replaced as a whole on every change, so that readers in other threads need no lock.
        self._entries: Mapping[str, Definition[D]] = MappingProxyType({})
        self._from_file: frozenset[str] = frozenset()
        self.take(from_file, self.merge(from_file))

    def merge(self, from_file: Mapping[str, D]) -> dict[str, Definition[D]]:
        """All definitions, were these the file's; what is as it was keeps its time. Changes nothing.

        Raises:
            StoreError: those that the API added cannot be read.
        """
        kind, entries = self._kind, {name: self._dated(name, value) for name, value in from_file.items()}
        for name, mapping in self._shelf.all().items():
            if name in entries and name in self._from_file:
                continue  # which was said when the file took the name
            if name in entries:
                _log.warning("the %s '%s' of the settings file hides the one that was added by the API", kind, name)
                continue
            try:
                entries[name] = self._dated(name, self._parse(name, mapping))
            except ConfigError as error:
                _log.error("the %s '%s' that was added by the API can no longer be used: %s", kind, name, error)
        return entries

    def take(self, from_file: Mapping[str, D], merged: Mapping[str, Definition[D]]) -> None:
        """From now on these are the file's, and `merged`, which `merge` made of them, is all there is."""
        self._from_file = frozenset(from_file)
        self._entries = MappingProxyType(dict(merged))

    def _dated(self, name: str, value: D) -> Definition[D]:
        known = self._entries.get(name)
        return known if known is not None and known.value == value else Definition(value, self._wall_time_s())

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._entries)

    def all(self) -> Sequence[D]:
        return [entry.value for entry in self._entries.values()]

    def entries(self) -> Sequence[Definition[D]]:
        return list(self._entries.values())

    def entry(self, name: str) -> Definition[D]:
        """Raises NotFoundError."""
        try:
            return self._entries[name]
        except KeyError:
            raise NotFoundError(f"there is no {self._kind} '{name}'") from None

    def is_from_file(self, name: str) -> bool:
        return name in self._from_file

    def refuse_taken(self, name: str) -> None:
        """Raises ConflictError when there is one of that name."""
        if name in self._entries:
            raise ConflictError(f"there is a {self._kind} '{name}' already; choose another name, or change that one")

    def changeable(self, name: str) -> D:
        """The definition, which the API may change. Raises NotFoundError and ConflictError."""
        value = self.entry(name).value
        if self.is_from_file(name):
            raise ConflictError(
                f"the {self._kind} '{name}' is defined in the settings file; change it there", code="defined_in_file"
            )
        return value

    def save(self, value: D) -> None:
        """Add or replace one; durable when it returns. Raises StoreError."""
        self._shelf.save(value.name, value.to_mapping())
        entry = Definition(value, self._wall_time_s())
        self._entries = MappingProxyType({**self._entries, value.name: entry})

    def delete(self, name: str) -> None:
        """Remove one that is there; durable when it returns. Raises StoreError."""
        self._shelf.delete(name)
        self._entries = MappingProxyType({key: entry for key, entry in self._entries.items() if key != name})
