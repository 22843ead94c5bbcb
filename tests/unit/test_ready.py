"""What a build needs beside its inputs is checked when the workflow is read, before any job."""

from pathlib import Path

import pytest

from reben.ready import account_fault
from tests.rules import read_workflow

NAME = "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a build that fetches a product and corrects it, on a machine without anything."""
    for name in ("CDSE_USERNAME", "CDSE_PASSWORD", "CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    (tmp_path / "products.tsv").write_text(
        f"product\tlevel\tsource\tid\n{NAME}\tL1C\tcdse\t00000000-0000-4000-8000-000000000000\n"
    )
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"results: {tmp_path}/results\nproducts: {tmp_path}/products.tsv\n"
        f"sen2cor: {{command: {tmp_path}/L2A_Process}}\n"
    )
    return path


def faults(config: Path) -> dict[str, str]:
    with read_workflow(config) as workflow:
        found: dict[str, str] = workflow.globals["UNREADY"]
    return found


def test_a_missing_sen2cor_and_account_are_known_before_anything_is_fetched(config: Path) -> None:
    found = faults(config)
    assert found.keys() == {"run_sen2cor", "acquire"}
    assert "Install sen2cor 2.11" in found["run_sen2cor"]
    assert "no CDSE account found" in found["acquire"]


def test_what_is_ready_is_no_fault(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = config.parent / "L2A_Process"
    command.write_text(
        "#!/bin/sh\necho 'Sentinel-2 Level 2A Processor (Sen2Cor). Version: 2.11.0'\n"
    )
    command.chmod(0o755)
    monkeypatch.setenv("CDSE_USERNAME", "me")
    monkeypatch.setenv("CDSE_PASSWORD", "x")
    assert faults(config) == {}


def test_keys_of_the_object_store_are_enough(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    assert account_fault()
    monkeypatch.setenv("CDSE_S3_ACCESS_KEY", "key")
    monkeypatch.setenv("CDSE_S3_SECRET_KEY", "x")
    assert account_fault() is None
