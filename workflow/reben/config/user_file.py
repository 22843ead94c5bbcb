"""The config file of a user: read with the defaults, and where a key stands in it.

In: a YAML file that overrides defaults key by key. Out: the config, and file and line of a key,
for messages. A file that YAML reads in another way than it looks is refused.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from reben.runtime.code_version import PACKAGE
from reben.runtime.errors import ConfigError

#: The clone, or the installed copy of it.
HOME = PACKAGE.parents[1]
DEFAULTS = HOME / "config" / "config.yaml"
SCHEMA = PACKAGE.parent / "schemas" / "config.schema.json"
#: Values of a config with all its references written out; that of the project has about 100.
_MAX_VALUES = 100_000


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The config of a user, merged with the defaults as Snakemake does it.

    Raises:
        ConfigError: there is no such file, it is not a YAML mapping, or see `check_file`.
    """
    defaults: dict[str, Any] = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))
    return _merged(defaults, _read(path))


def check_file(path: str | os.PathLike[str]) -> None:
    """Check that a config file has each key once, and references that do not grow without end.

    Of two equal keys YAML takes the last one without a word. References (``*name``) can make
    gigabytes of a few lines, or a list that contains itself.

    Raises:
        ConfigError: it cannot be read, or is such a file.
    """
    sizes: dict[int, int | None] = {}  # None while a node is looked at

    def size(node: yaml.Node | None) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = None
            children = node.value if isinstance(node, yaml.SequenceNode) else []
            if isinstance(node, yaml.MappingNode):
                _check_unique(path, node)
                children = [value for _, value in node.value]
            sizes[id(node)] = 1 + sum(map(size, children))
        found = sizes[id(node)]
        if found is None or found > _MAX_VALUES:
            raise ConfigError(
                f"{os.fspath(path)}: expected at most {_MAX_VALUES} values, found references "
                "(*name) that make more of them, or that lead to themselves; write them out"
            )
        return found

    size(_parsed(path, yaml.compose))


def _check_unique(path: str | os.PathLike[str], node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if isinstance(key, yaml.ScalarNode) and lines.setdefault(key.value, line) != line:
            raise ConfigError(
                f"{os.fspath(path)}, line {line}: the key `{key.value}` is already in line "
                f"{lines[key.value]}, and only the last one would count; write what belongs to it "
                "in one place"
            )


def places(*files: str | os.PathLike[str]) -> Callable[[Sequence[Any]], str]:
    """A function that says where a key is set, as ``mine.yaml, line 7: ``; empty if nowhere.

    Args:
        files: config files; the first that has the key counts.
    """

    def place(key: Sequence[Any]) -> str:
        for file in files:
            try:
                node = yaml.compose(Path(file).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
            except (OSError, UnicodeDecodeError, yaml.YAMLError):
                continue  # Snakemake has read it, and said what is wrong
            if line := _line(node, key):
                return f"{os.path.relpath(file)}, line {line}: "
        return ""

    return place


def _line(node: yaml.Node | None, key: Sequence[Any]) -> int | None:
    line = None
    for part in key:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if found is None:
                return None
            name, node = found
            line = name.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def _parsed(path: str | os.PathLike[str], parse: Callable[..., Any]) -> Any:
    """A file, as a function of PyYAML reads it."""
    try:
        return parse(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no config {os.fspath(path)}, seen from {Path.cwd()}; `reben new` writes one "
            "to start from"
        ) from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"{os.fspath(path)}: expected a config in YAML: {error}") from error


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    check_file(path)
    value = _parsed(path, yaml.load)
    if not isinstance(value, dict):
        found = "nothing" if value is None else type(value).__name__
        raise ConfigError(
            f"{os.fspath(path)}: expected keys with values, such as `results: mine`, found "
            f"{found}; config/README.md explains every key"
        )
    return value


def _merged(defaults: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = dict(defaults)
    for key, value in own.items():
        known = defaults.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            value = _merged(known, value)
        merged[key] = value
    return merged
