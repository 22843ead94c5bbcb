"""What a failed job's log says of the cause."""

from pathlib import Path

import pytest

from reben.runtime.errors import TableError
from reben.summary import last_words, main

NEWS = "2024-05-01T10:00:00Z INFO    33UUP: 81 patches, 80 valid"


def test_a_folder_without_a_build_is_an_error(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(TableError, match=f"{folder}: expected the results of a build"):
            main(["--results", str(folder)])


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (f"{NEWS}\nerror: x.jp2: damaged\n", "error: x.jp2: damaged"),
        (f"error: x.jp2: damaged\n{NEWS}\n", "error: x.jp2: damaged"),
        (f"{NEWS}\n2024-05-01T10:00:01Z WARNING a thing\n", "it ended without an error; its last"),
        (f"Traceback (most recent call last):\nKeyError: 'x'\n{NEWS}\n", "KeyError: 'x'"),
        ("2024-05-01T10:00:01Z ERROR   sen2cor's product is kept\n", "ERROR   sen2cor's product"),
        ("", "(empty)"),
    ],
)
def test_news_is_not_the_cause(tmp_path: Path, log: str, expected: str) -> None:
    (tmp_path / "job.log").write_text(log)
    first, second = last_words([tmp_path / "job.log"]).split("\n")
    assert first == str(tmp_path / "job.log")
    assert expected in second
