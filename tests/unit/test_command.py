"""The command `reben`: its commands, what they say of themselves, and the config they read."""

import runpy
import shlex
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from reben import __main__ as command
from reben import __version__, build
from reben.config.check import check_keys
from reben.config.user_file import SCHEMA, places, read_config
from reben.runtime.code_version import PACKAGE
from reben.runtime.errors import ConfigError


def said_on_exit(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str]:
    with pytest.raises(SystemExit) as end:
        command.main(words)
    output = capsys.readouterr()
    return end.value.code, output.out + output.err


def test_help_lists_every_command_and_no_command_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, text = said_on_exit(capsys, "--help")
    assert status == 0
    assert all(f"\n  {name} " in text for name in command.COMMANDS)
    assert said_on_exit(capsys)[0] == 2
    assert said_on_exit(capsys, "--version") == (0, f"reben {__version__}\n")


@pytest.mark.parametrize("name", command.COMMANDS)
def test_the_help_of_a_command_has_an_example_and_what_its_exit_status_means(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if name in command.TRAINING:
        pytest.importorskip("torch", reason="PyTorch is missing: make install-training")
    status, text = said_on_exit(capsys, name, "--help")
    assert status == 0
    assert text.startswith(f"usage: reben {name} ")
    assert f"example:\n  reben {name} " in text
    assert "exit status: 0 done, 1 an error" in text


def test_a_misspelt_command_is_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert said_on_exit(capsys, "biuld", "x.yaml") == (
        2, "error: there is no command 'biuld'; did you mean `reben build`?\n"
    )  # fmt: skip


def test_a_package_that_is_not_installed_is_named_with_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> Any:
        if name == "reben.show":
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return import_module(name)

    monkeypatch.setattr(command, "import_module", absent)
    status, text = said_on_exit(capsys, "show", "--help")
    assert status == 1
    assert text.startswith("error: `reben show` needs matplotlib")
    assert "pip install 'reben[workflow]'" in text


def test_without_pytorch_the_extra_for_training_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError("PyTorch is not installed", name="torch")

    monkeypatch.setattr(command, "import_module", absent)
    status, text = said_on_exit(capsys, "train", "--help")
    assert status == 1
    assert text.startswith("error: `reben train` needs torch")
    assert "pip install 'reben[training]'" in text


#: All modules of the package, and those that are run: by their names.
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path.read_text("utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
}
RUN = [name for name, text in MODULES.items() if "\ndef main(" in text]
IMPORTED = [
    name
    for name in MODULES
    if name.count(".") == 1 and name not in RUN and not name.endswith("__init__")
]


@pytest.mark.parametrize("name", RUN)
def test_every_module_that_is_run_answers_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert '\nif __name__ == "__main__":\n' in MODULES[name], "else it is silent"
    if "reben.training" in MODULES[name]:
        pytest.importorskip("torch", reason="PyTorch is missing: make install-training")
    with pytest.raises(SystemExit) as end:
        import_module(name).main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert text.startswith("usage: ")
    assert "exit status: 0 done" in text


@pytest.mark.parametrize("name", IMPORTED)
def test_a_module_that_is_only_imported_says_so(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "reben.training" in MODULES[name]:
        pytest.importorskip("torch", reason="PyTorch is missing: make install-training")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as end, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is imported already, by other tests
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    assert end.value.code == 0
    assert f"{name}: " in capsys.readouterr().out


def test_build_prints_the_command_that_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run: list[list[str]] = []
    monkeypatch.setattr(build.os, "execv", lambda _, words: run.append(words))
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("results: mine\n")
    build.main(["mine.yaml", "audit", "report", "--cores", "8", "-n"])
    words = [
        *("snakemake", "audit", "report", "--snakefile", str(build.SNAKEFILE)),
        *("--configfile", "mine.yaml", "--cores", "8", "-n"),
    ]
    assert run == [[sys.executable, "-m", *words]]
    assert capsys.readouterr().err == f"$ {shlex.join(words)}\n"


@pytest.mark.parametrize("options", [["--cores", "8"], ["-n"], ["--logger", "snkmt"], ["-q"]])
def test_a_terminal_has_bars(monkeypatch: pytest.MonkeyPatch, options: list[str]) -> None:
    plain = build.snakemake_command("mine.yaml", [], options)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bars = ["--logger", "rich"] if options[0] == "--cores" else []
    assert build.snakemake_command("mine.yaml", [], options) == [*plain, *bars]


def test_a_misspelt_target_is_answered_with_the_nearest() -> None:
    build.check_targets([*build.TARGETS, "build_metadata", "results/dataset/metadata.parquet"])
    with pytest.raises(ConfigError, match=r"no target 'reprot'\. Did you mean report\? Expected"):
        build.check_targets(["all", "reprot"])
    with pytest.raises(ConfigError, match=r"no target 'xyz'\. Expected all, audit"):
        build.check_targets(["xyz"])
    assert build.SNAKEFILE.is_file()


def test_build_says_what_is_wrong_with_a_config_before_snakemake_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build.os, "execv", lambda *_: pytest.fail("it started"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="there is no config mine.yaml, seen from .*reben new"):
        build.main(["mine.yaml"])
    Path("mine.yaml").write_text("- a\n")
    with pytest.raises(ConfigError, match="mine.yaml: expected keys with values.*found list"):
        build.main(["mine.yaml"])
    Path("mine.yaml").write_text("# results: a\n")
    with pytest.raises(ConfigError, match="mine.yaml: expected keys with values.*found nothing"):
        build.main(["mine.yaml"])
    Path("mine.yaml").write_text("5: 6\n")
    with pytest.raises(ConfigError, match="mine.yaml, line 1: 5: an unknown key"):
        build.main(["mine.yaml"])
    Path("mine.yaml").write_text("results: [a\n")
    with pytest.raises(ConfigError, match="mine.yaml: expected a config in YAML"):
        build.main(["mine.yaml"])


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        (BOMB, "expected at most 100000 values, found references"),
        ("labels: &a\n  x: *a\n", "found references .* that lead to themselves; write them out"),
        ("a: " + "[" * 5000, "expected a config in YAML"),
        ("a: !!python/object/apply:os.getcwd []\n", "expected a config in YAML"),
        ("a: \x00\n", "expected a config in YAML"),
        (
            "labels: {threshold: inclusive}\nsplit: {}\nlabels: {}\n",
            "line 3: the key `labels` is already in line 1, and only the last one would count",
        ),
        ("split:\n  p: 0.1\n  q: 0.2\n  p: 0.3\n", "line 4: the key `p` is already in line 2"),
    ],
    ids=["bomb", "loop", "depth", "object", "binary", "key twice", "inner key twice"],
)
def test_a_file_that_yaml_reads_in_another_way_than_it_looks_is_refused(
    text: str, flaw: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"mine\.yaml.*{flaw}"):
        read_config(path)
    with pytest.raises(ConfigError, match="expected a config in YAML: .*Is a directory"):
        read_config(tmp_path)


def test_a_config_may_have_references(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("corine: &a {path: x}\ncountries: {<<: *a}\n")
    assert read_config(path)["countries"]["path"] == "x"


def test_a_wrong_key_is_named_with_its_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(
        "# a comment\nlabels:\n  treshold: inclusive\nsplit: {p: x}\nlmdb:\n  include: [s2, s3]\n"
    )
    with pytest.raises(ConfigError) as caught:
        check_keys(read_config("mine.yaml"), SCHEMA, places("mine.yaml"))
    lines = str(caught.value).split("\n")
    assert lines[1] == (
        "  mine.yaml, line 3: labels.treshold: an unknown key; did you mean `threshold`?"
    )
    assert lines[2] == "  mine.yaml, line 4: split.p: 'x' is not of type 'number'"
    assert lines[3].startswith("  mine.yaml, line 6: lmdb.include.1: 's3' is not one of")


def test_a_key_that_stands_in_no_file_has_no_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("results: a\n")
    assert places(tmp_path / "a.yaml", tmp_path / "gone.yaml")(["split", "p"]) == ""


def test_a_config_overrides_the_defaults_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("split: {p: 0.1}\nresults: mine\n")
    config = read_config(tmp_path / "mine.yaml")
    assert config["split"] == {"p": 0.1, "q": 0.25}
    assert (config["results"], config["lmdb"]["include"][0]) == ("mine", "s2")
