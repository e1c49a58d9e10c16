"""Read a mapping that a person wrote: every key is taken once, what is left over is refused by name."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from stream.durations import parse_duration_s
from stream.errors import ConfigError
from stream.sizes import parse_size_bytes

NAME = re.compile(r"[a-z0-9_-]{1,64}")


def check_name(name: object, path: str) -> str:
    """A stream's or query's name. Raises ConfigError."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(f"the name {name!r} must be 1 to 64 of the characters a-z, 0-9, '_' and '-'", path=path)
    return name


def nearest(key: str, valid: list[str]) -> str:
    """A half-sentence that helps with a misspelt key."""
    close = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"valid keys: {', '.join(sorted(valid))}"


class Section:
    """One mapping of a document. Each reader returns `default` when the key is absent and raises ConfigError when
    its value cannot be used; `refuse_unknown` is called last."""

    def __init__(self, value: object, path: str) -> None:
        """`path` is where this mapping stands in its document, empty at the top. Raises ConfigError if it is none."""
        if not isinstance(value, Mapping):
            raise ConfigError(f"must be a mapping of keys to values, not {_kind(value)}", path=path)
        self.path = path
        self._values: Mapping[object, object] = value
        self._known: dict[str, None] = {}

    def at(self, key: str) -> str:
        """The path of one of this section's keys."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Whether the key is written and not empty; also makes it known."""
        return self._get(key) is not None

    def raw(self, key: str) -> object:
        """The value as it stands; None when absent."""
        return self._get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """A string; required when there is no default."""
        value = self._get(key)
        if value is None and default is not None:
            return default
        if value is None:
            raise ConfigError(f"the key '{key}' is required", path=self.path or key, code="missing_key")
        if not isinstance(value, str):
            raise ConfigError(f"must be text, not {_kind(value)}", path=self.at(key))
        return value

    def boolean(self, key: str, default: bool) -> bool:
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise ConfigError(f"must be true or false, not {value!r}", path=self.at(key))
        return value

    def number(self, key: str, default: float) -> float:
        value = self._get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f"must be a number, not {value!r}", path=self.at(key))
        return float(value)

    def integer(self, key: str, default: int) -> int:
        number = self.number(key, default)
        if number != int(number):
            raise ConfigError(f"must be a whole number, not {number!r}", path=self.at(key))
        return int(number)

    def duration_s(self, key: str, default: float) -> float:
        value = self._get(key)
        if value is None:
            return default
        try:
            return parse_duration_s(value)
        except ValueError as error:
            raise ConfigError(str(error), path=self.at(key)) from None

    def size_bytes(self, key: str, default: int) -> int:
        value = self._get(key)
        if value is None:
            return default
        try:
            return parse_size_bytes(value)
        except ValueError as error:
            raise ConfigError(str(error), path=self.at(key)) from None

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        value = self.text(key, default)
        if value not in choices:
            raise ConfigError(f"must be one of {', '.join(choices)}, not {value!r}", path=self.at(key))
        return value

    def section(self, key: str) -> Section:
        """A mapping inside this one; an empty one when the key is absent."""
        value = self._get(key)
        return Section({} if value is None else value, self.at(key))

    def entries(self) -> Iterator[tuple[str, Any]]:
        """Name and value of each entry of a section whose keys are names; the names are checked."""
        for name, value in self._values.items():
            yield check_name(name, self.path), value

    def refuse_unknown(self) -> None:
        """Raise ConfigError for the first key that no reader asked for."""
        for key in self._values:
            if key not in self._known:
                path = self.at(str(key))
                raise ConfigError(f"unknown key; {nearest(str(key), list(self._known))}", path=path, code="unknown_key")

    def _get(self, key: str) -> object:
        self._known[key] = None
        return self._values.get(key)


def _kind(value: object) -> str:
    """What a person would call the value; never the value itself, which may hold a secret."""
    if value is None:
        return "nothing"
    names: dict[type, str] = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return "a mapping" if isinstance(value, Mapping) else names.get(type(value), f"a {type(value).__name__}")
