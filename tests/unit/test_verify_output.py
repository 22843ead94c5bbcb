"""What `reben verify` has found is on the terminal, however the check ends."""

import os
import subprocess
import sys

from reben.runtime.code_version import PACKAGE

#: A check that finds something, and is then killed as LMDB would kill it.
KILLED = """
import os, signal, sys
from types import SimpleNamespace
from reben.verify import __main__ as verifying

def found(build):
    yield "x.lmdb: is damaged"
    os.kill(os.getpid(), signal.SIGBUS)

verifying.found = found
verifying.AuditedBuild = SimpleNamespace(open=lambda *_: None)
verifying.main(["results"])
"""


def test_findings_are_printed_as_they_are_made() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), "PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode < 0
    assert done.stdout == "x.lmdb: is damaged\n"
