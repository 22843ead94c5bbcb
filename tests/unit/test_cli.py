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


def test_a_bug_keeps_its_traceback():
    def main(argv):
        raise KeyError("bug")

    with pytest.raises(KeyError):
        cli.run(main, [])


@pytest.mark.parametrize(
    ("kind", "text"),
    [(cli.count, "0"), (cli.count, "-1"), (cli.count, "2.5"), (cli.share, "75"), (cli.share, "x"),
     (cli.share, "nan"), (cli.share, "-0.1")],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(kind, text, capsys):
    parser = cli.parser(__doc__)
    parser.add_argument("--n", type=kind)
    with pytest.raises(SystemExit) as end:
        parser.parse_args([f"--n={text}"])
    assert end.value.code == 2
    assert (
        f"argument --n: expected a {'whole number of 1' if kind is cli.count else 'number from 0'}"
        in capsys.readouterr().err
    )


def test_numbers_in_range_are_read():
    assert (cli.count("12"), cli.share("0"), cli.share("1"), cli.share(".75")) == (12, 0, 1, 0.75)
