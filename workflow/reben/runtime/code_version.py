"""A short digest of the code that a step runs, so that editing the code reruns its rules.

Snakemake does not notice an edited module. So the record of a job (`reben.memory`) has the
digest of its step module and of all modules of this package that it imports, directly or
not. Comments, docstrings and blank lines do not count: editing them runs nothing. Nor does
`reben.memory`, which notes what a step was made from and decides nothing that it makes.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
ENVIRONMENTS = PACKAGE.parents[1] / "envs"
#: A folder of the package that cannot change the outputs of a step.
_NEUTRAL = "memory"


@cache
def code_version(module: str, package: Path = PACKAGE) -> str:
    """Digest, twelve hexadecimal digits, of a step and its import closure in the package.

    Args:
        module: what follows ``python -m reben.``: ``labels``, ``audit`` or ``audit.digests``.
        package: folder of the package.
    """
    digest = hashlib.sha256()
    for name in sorted(closure(module, package)):
        digest.update(f"{name}\0{_essence(_file(name, package))}\0".encode())
    return digest.hexdigest()[:12]


def environment_version(name: str, folder: Path = ENVIRONMENTS) -> str:
    """Twelve hexadecimal digits over a conda environment, so that editing it reruns its rules."""
    return hashlib.sha256(_plain(folder / f"{name}.yaml").encode()).hexdigest()[:12]


def pins_version(name: str, folder: Path = ENVIRONMENTS) -> str:
    """The same over the pin file that conda installs an environment from; empty without one."""
    path = folder / f"{name}.linux-64.pin.txt"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.exists() else ""


def data_version(name: str, package: Path = PACKAGE) -> str:
    """Digest, twelve hexadecimal digits, of a non-code file of the package or a folder of them."""
    path = package / name
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def closure(module: str, package: Path = PACKAGE) -> set[str]:
    """The modules of the package that ``python -m`` runs and imports, directly or indirectly."""
    found: set[str] = set()
    main = f"{module}.__main__"
    waiting = [main if _file(main, package).is_file() else module]
    while waiting:
        name = waiting.pop()
        if name not in found and name.partition(".")[0] != _NEUTRAL:
            found.add(name)
            waiting += _imports(_file(name, package), package)
    return found


def _file(name: str, package: Path) -> Path:
    path = package.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _exists(name: str, package: Path) -> bool:
    return bool(name) and _file(name, package).is_file()


@cache
def _imports(file: Path, package: Path) -> list[str]:
    return sorted(
        name
        for node in ast.walk(ast.parse(file.read_bytes()))
        for name in _imported(node, package.name)
        if _exists(name, package)
    )


def _imported(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        # `from reben import cli` names a module, `from reben.runtime.cli import run` does not.
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        return
    for name in names:
        first, _, rest = name.partition(".")
        if first == package:
            yield rest


@cache
def _essence(file: Path) -> str:
    """The source without comments, docstrings and blank lines; the same in every Python version."""
    source = file.read_text(encoding="utf-8")
    lines = source.splitlines()
    text: set[int] = set()  # rows that end within a string, where blanks count
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, col = token.start
            lines[row - 1] = lines[row - 1][:col].rstrip()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            text.update(range(node.lineno - 1, (node.end_lineno or node.lineno) - 1))
        body = getattr(node, "body", None)
        for child in body if isinstance(body, list) else []:
            # A bare string is a docstring, of a module, class, function or field.
            if (
                isinstance(child, ast.Expr)
                and isinstance(child.value, ast.Constant)
                and isinstance(child.value.value, str)
            ):
                for row in range(child.lineno - 1, child.end_lineno or child.lineno):
                    lines[row] = ""
                    text.discard(row)
    kept = (line if row in text else line.rstrip() for row, line in enumerate(lines))
    return "\n".join(line for row, line in enumerate(kept) if line or row in text)


def _plain(file: Path) -> str:
    """A YAML file without comments and blank lines."""
    lines = (line.partition("#")[0].rstrip() for line in file.read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line)
