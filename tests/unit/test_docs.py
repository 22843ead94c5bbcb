"""The documentation agrees with the project: links, rules, modules, commands, config keys."""

import importlib.util
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from reben.__main__ import COMMANDS, TRAINING
from tests.rules import TARGETS, load_rules

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "workflow" / "reben"
PAGES = sorted(
    [PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    + [PROJECT / "config" / "README.md", *(PROJECT / "docs").glob("*.md")]
)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(PROJECT)))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [PROJECT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            targets = re.findall(r"\]\(([^)#]+\.md)", page.read_text())
            waiting += [
                (page.parent / target).resolve() for target in targets if "://" not in target
            ]
    assert set(PAGES) <= reached


def test_the_readme_stays_short() -> None:
    assert len((PROJECT / "README.md").read_text().split()) <= 1200


def rules() -> dict[str, tuple[str, bool]]:
    """Each rule with a job: its module, and whether it runs for each tile or training."""
    return {r.name: (f"reben.{r.step}", bool(r.made.jobs)) for r in load_rules().values()}


def drawn() -> dict[str, tuple[str, bool]]:
    """Each rule in the drawing of the README: its module, and whether its box is double."""
    text = (PROJECT / "README.md").read_text()
    chart = re.search(r"```mermaid\n(.*?)```", text, re.DOTALL)
    assert chart
    found = {}
    for border, label in re.findall(r'^  \w+(\[+)"([^"]+)"\]+$', chart[1], re.MULTILINE):
        names, module, _ = label.split("<br/>")
        found |= dict.fromkeys(names.split(", "), (module, border == "[["))
    return found


def test_the_drawing_has_every_rule_its_module_and_whether_it_runs_many_times() -> None:
    assert len(rules()) > 20
    assert drawn() == rules()


def is_module(name: str) -> bool:
    """Whether a dotted name is a module of the package, or something in one."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
        return True
    module = path.parent.with_suffix(".py")
    return module.is_file() and re.search(rf"^(def|class) {path.name}\b", module.read_text(), re.M)


@each_page
def test_modules_and_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"\breben(?:\.[a-z_][a-z0-9_]*)+\b", text):
        assert is_module(name), name
    prose = re.sub(r"^\|.*\| `[^`]+` \|$", "", text, flags=re.MULTILINE)  # no defaults of keys
    for path in re.findall(r"`((?:workflow|tests|envs|resources|docs|config)/[\w./-]*)`", prose):
        assert (PROJECT / path).exists(), path


def commands(page: Path) -> list[str]:
    """The commands of a page's code blocks, those that go over several lines as one."""
    text = page.read_text().replace("\\\n", " ")
    lines = re.findall(r"^    (?:\$ )?(\S.*)$", text, re.MULTILINE)
    return [line.partition("  #")[0].strip() for line in lines]


@cache
def help_of(module: str) -> str:
    if module.removeprefix("reben.") in TRAINING:
        pytest.importorskip("torch", reason="PyTorch is missing: make install-training")
    return subprocess.check_output([sys.executable, "-m", module, "--help"], text=True)


@each_page
def test_commands_of_a_page_exist(page: Path) -> None:
    targets = set(re.findall(r"^([\w./-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    inline = re.findall(r"`((?:make|snakemake|python -m|reben) [^`]+)`", page.read_text())
    for command in [*commands(page), *inline]:
        words = command.split()
        if words[0] == "make":
            asked = [word for word in words[1:] if "=" not in word and word != "&&"]
            assert set(asked[:1]) <= targets, command
        elif words[0] == "reben" and words[1] in COMMANDS:
            options = re.findall(r"(?<= )--[\w-]+", command)
            for option in options if words[1] != "build" else []:  # those are Snakemake's
                assert option in help_of(f"reben.{words[1]}"), command
        elif words[0] == "reben":
            assert words[1:] == ["--help"], command
        elif words[0] == "snakemake":
            check_snakemake(words[1:], command)
        elif words[1:2] == ["-m"] and re.match(r"reben\.\w", words[2]):
            assert is_module(words[2]), command
            for option in re.findall(r"--[\w-]+", command):
                assert option in help_of(words[2]), command


def check_snakemake(words: list[str], command: str) -> None:
    """Targets stand before the options, and are rules; files and profiles exist."""
    before = list(words)
    for place, word in enumerate(words):
        if word.startswith("-") or word == "...":
            before = words[:place]
            break
    assert set(before) <= {*rules(), *TARGETS}, command
    text = " ".join(words)
    for profile in re.findall(r"--workflow-profile (\w+)", text):
        assert profile == "none" or (PROJECT / "profiles" / profile).is_dir(), command
    for config in re.findall(r"--configfile (config/\S+)", text):
        assert (PROJECT / config).is_file(), command
    for until in re.findall(r"--until ([\w ]+)", text):
        assert set(until.split()) <= rules().keys(), command


def test_the_architecture_names_every_folder() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text()
    listed = subprocess.check_output(["git", "ls-files"], cwd=PROJECT, text=True).splitlines()
    paths = [Path(line).parts for line in listed]
    inside = {p[2] for p in paths if p[:2] == ("workflow", "reben") and len(p) > 3}
    parts = {f"workflow/{p[1]}" for p in paths if p[0] == "workflow" and len(p) > 2}
    top = {p[0] for p in paths if len(p) > 1} - {"docs", ".ci", "workflow"}
    folders = inside | parts | top
    assert not {folder for folder in folders if f"`{folder}/`" not in text}


def config_reference() -> ModuleType:
    """The script that writes the tables of config/README.md."""
    path = PROJECT / "docs" / "config_reference.py"
    spec = importlib.util.spec_from_file_location("config_reference", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_the_config_page_are_those_of_the_schemas() -> None:
    script = config_reference()
    page = (PROJECT / "config" / "README.md").read_text()
    assert page == script.render(page), "run `make config-docs`"
    schema = json.loads((PROJECT / "workflow/schemas/config.schema.json").read_text())
    for key, _ in script.keys(schema):
        assert page.count(f"\n| `{key}` |") == 1, key


@pytest.mark.parametrize("name", ["config", "products"])
def test_every_key_and_column_is_described(name: str) -> None:
    schema = json.loads((PROJECT / f"workflow/schemas/{name}.schema.json").read_text())
    waiting = list(schema["properties"].items())
    assert waiting
    while waiting:
        key, value = waiting.pop()
        assert re.fullmatch(r"[A-Z`].*\.", value.get("description", "")), key
        waiting += value.get("properties", {}).items()
