"""What changes a step's code version, and what does not."""

import pytest

from reben.runtime.code_version import (
    PACKAGE,
    _essence,
    _imports,
    closure,
    code_version,
    environment_version,
)


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "reben"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "step.py").write_text('"""Doc."""\nfrom reben import cli\nfrom reben.deep import f\n')
    (folder / "cli.py").write_text("import sys\n")
    (folder / "deep.py").write_text("def f():\n    return 'a # b'  # why\n")
    (folder / "other.py").write_text("x = 1\n")
    return folder


def version(package):
    for cached in (code_version, _essence, _imports):
        cached.cache_clear()
    return code_version("step", package)


def test_closure_follows_imports_inside_the_package_only(package):
    assert closure("step", package) == {"step", "cli", "deep"}


@pytest.mark.parametrize(
    ("module", "text", "changes"),
    [
        ("step", '"""Other doc."""\nfrom reben import cli\n\nfrom reben.deep import f\n', False),
        ("deep", "# comment\ndef f():\n    '''Doc.'''\n\n    return 'a # b'\n", False),
        ("deep", "def f():\n    return 'a # c'\n", True),
        ("cli", "import os\n", True),
        ("other", "x = 2\n", False),
    ],
)
def test_what_counts(package, module, text, changes):
    before = version(package)
    (package / f"{module}.py").write_text(text)
    assert (version(package) != before) == changes


def test_blank_lines_of_a_text_count(package):
    (package / "cli.py").write_text('HELP = """one\n\ntwo  \n"""\n')
    before = version(package)
    (package / "cli.py").write_text('HELP = """one\n\ntwo  \n"""\n\n# Why.\n')
    assert version(package) == before
    for other in ('HELP = """one\ntwo  \n"""\n', 'HELP = """one\n\ntwo\n"""\n'):
        (package / "cli.py").write_text(other)
        assert version(package) != before


def test_every_step_has_a_version_and_imports_what_it_uses():
    assert {"domain.grid", "storage.geotiff_writer", "safe.jpeg2000"} <= closure("patches")
    assert len(code_version("patches")) == 12
    assert code_version("patches") != code_version("labels")
    assert {"audit.__main__", "audit.outputs"} <= closure("audit")


@pytest.mark.parametrize(
    "step", ["corine", "land_cover_map", "funnel", "overview", "report", "reference_maps"]
)
def test_what_reads_verdicts_and_tables_does_not_depend_on_the_readers_of_products(step):
    """Otherwise editing the XML reader would clip Europe again."""
    assert [name for name in closure(step) if name.startswith("safe.")] == []


SHARED = ("config", "domain", "land_cover", "pictures", "results", "runtime", "safe", "storage")


@pytest.mark.parametrize("folder", SHARED)
def test_what_lies_in_a_shared_folder_imports_no_step(folder):
    """Otherwise editing the step would rerun all rules that share it."""
    loose = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    for path in (PACKAGE / folder).glob("*.py"):
        assert closure(f"{folder}.{path.stem}") & loose == set(), path


def test_environment_versions_ignore_comments(tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text("dependencies:\n  - numpy=2.0\n")
    before = environment_version("e", tmp_path)
    path.write_text("# why\ndependencies:\n\n  - numpy=2.0  # pinned\n")
    assert environment_version("e", tmp_path) == before
    path.write_text("dependencies:\n  - numpy=2.1\n")
    assert environment_version("e", tmp_path) != before
