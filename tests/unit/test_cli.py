"""What a step says about its arguments and about errors, and how it ends."""

import errno
import os

import pytest

from reben.runtime import cli
from reben.runtime.errors import ConfigError


def test_errors_of_ours_are_one_line_and_exit_1(capsys):
    def main(argv):
        raise ConfigError("x.yaml: expected a, found b")

    with pytest.raises(SystemExit) as end:
        cli.run(main, [])
    assert end.value.code == "error: x.yaml: expected a, found b"


def test_a_full_disk_is_one_line_that_says_what_to_do():
    def main(argv):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/file.tif")

    with pytest.raises(SystemExit) as end:
        cli.run(main, [])
    assert "No space left on device: out/file.tif. The disk is full: free some space" in str(
        end.value.code
    )


@pytest.mark.parametrize("path", ["folder", "file/below", "x" * 300])
def test_a_path_that_cannot_be_a_file_is_named(path, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(SystemExit) as end:
        cli.run(lambda _: print((tmp_path / path).read_text()), [])
    assert f": {tmp_path / path}. " in str(end.value.code)


def test_a_bug_keeps_its_traceback():
    def main(argv):
        raise KeyError("bug")

    with pytest.raises(KeyError):
        cli.run(main, [])


@pytest.mark.parametrize(
    ("kind", "text"),
    [(cli.count, "0"), (cli.count, "-1"), (cli.count, "2.5"), (cli.share, "75"), (cli.share, "x"),
     (cli.share, "nan"), (cli.share, "-0.1"), (cli.whole, "-1"), (cli.whole, "1.5"),
     (cli.positive, "0"), (cli.positive, "nan"), (cli.positive, "inf"), (cli.positive, "x"),
     (cli.day, "2018-13-01"), (cli.day, "June")],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(kind, text, capsys):
    parser = cli.parser(__doc__)
    parser.add_argument("--n", type=kind)
    with pytest.raises(SystemExit) as end:
        parser.parse_args([f"--n={text}"])
    assert end.value.code == 2
    expected = {
        cli.count: "whole number of 1",
        cli.share: "number from 0",
        cli.whole: "whole number of 0",
        cli.positive: "number above 0",
        cli.day: "day such as 2018-06-01",
    }
    assert f"argument --n: expected a {expected[kind]}" in capsys.readouterr().err


def test_numbers_in_range_are_read():
    assert (cli.count("12"), cli.share("0"), cli.share("1"), cli.share(".75")) == (12, 0, 1, 0.75)
    assert (cli.whole("0"), cli.positive("1e-3")) == (0, 0.001)
    assert cli.day("2018-06-01").isoformat() == "2018-06-01"
