"""Read a YAML file as plain data: nothing in it can run, and a key written twice is an error."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from stream.errors import ConfigError

MAX_BYTES = 4 * 1024 * 1024
"""A settings file larger than this is some other file."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys instead of keeping the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    mark, problem = key_node.start_mark, f"the key {key_node.value!r} is written twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, mark)
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> object:
    """The document in a file; None for an empty one. Raises ConfigError (`bad_file`) that names file and line."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(f"cannot be read: {reason}", file=str(path), code="bad_file") from None
    if len(content) > MAX_BYTES:
        raise ConfigError("is too large to be a settings file", file=str(path), code="bad_file")
    try:
        return parse_yaml(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigError("is not a text file in UTF-8", file=str(path), code="bad_file") from None
    except ConfigError as error:
        raise error.in_file(str(path)) from None


def key_lines(text: str) -> dict[str, int]:
    """The line, from 1, of each key of a YAML text, by its path, such as `queries.goal.text`; none where it is no YAML.

    Where an alias repeats a mapping, its keys have their line once.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return dict(_lines_below(root, "", set()))


def line_of(path: str, lines: Mapping[str, int]) -> int | None:
    """The line of a path or of the nearest key around it; None when nothing of it is written."""
    while path and path not in lines:
        path = path.rpartition(".")[0]
    return lines.get(path)


def _lines_below(node: yaml.Node | None, path: str, seen: set[int]) -> Iterator[tuple[str, int]]:
    if not isinstance(node, yaml.MappingNode) or id(node) in seen:
        return
    seen.add(id(node))
    for key, value in node.value:
        below = f"{path}.{key.value}" if path else str(key.value)
        yield below, key.start_mark.line + 1
        yield from _lines_below(value, below, seen)


def parse_yaml(text: str) -> object:
    """The document in a text. Raises ConfigError (`bad_file`) that names the line and quotes none of it."""
    try:
        # The loader is a SafeLoader: it makes plain data and nothing else.
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"is not valid YAML: {error.problem}", path=where, code="bad_file") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigError("is not valid YAML", code="bad_file") from None
