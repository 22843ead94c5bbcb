"""Credentials come from the environment or netrc, and show nowhere."""

import pickle
import traceback
from pathlib import Path

import pytest

from reben.cdse import credentials
from reben.cdse.credentials import Login, Secret
from reben.cdse.service import Service
from reben.errors import ConfigError

URL = "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect"


def netrc(path: Path, text: str, mode: int = 0o600) -> dict[str, str]:
    path.write_text(text)
    path.chmod(mode)
    return {"NETRC": str(path)}


def test_the_environment_comes_first(tmp_path: Path) -> None:
    given = netrc(tmp_path / "netrc", "machine identity.dataspace.copernicus.eu login a password b")
    found = credentials.account(URL, given | {"CDSE_USERNAME": "me", "CDSE_PASSWORD": "pw"})
    assert (found.name.reveal(), found.secret.reveal()) == ("me", "pw")
    found = credentials.account(URL, given)
    assert (found.name.reveal(), found.secret.reveal()) == ("a", "b")


def test_s3_keys(tmp_path: Path) -> None:
    given = {"CDSE_S3_ACCESS_KEY": "key", "CDSE_S3_SECRET_KEY": "secret"}
    found = credentials.s3_keys("https://eodata.dataspace.copernicus.eu", given)
    assert found is not None
    assert found.secret.reveal() == "secret"
    nothing = {"NETRC": str(tmp_path / "none")}
    assert credentials.s3_keys("https://eodata.dataspace.copernicus.eu", nothing) is None


def test_none_and_half_an_account_are_errors(tmp_path: Path) -> None:
    nothing = {"NETRC": str(tmp_path / "none")}
    with pytest.raises(ConfigError, match=r"no CDSE account found: set CDSE_USERNAME"):
        credentials.account(URL, nothing)
    with pytest.raises(ConfigError, match="CDSE_PASSWORD is not set"):
        credentials.account(URL, nothing | {"CDSE_USERNAME": "me"})


def test_a_netrc_that_others_can_read_is_refused(tmp_path: Path) -> None:
    given = netrc(tmp_path / "netrc", "machine x login a password b", 0o644)
    with pytest.raises(ConfigError, match="others can read it; run `chmod 600"):
        credentials.account(URL, given)


def test_a_malformed_netrc_is_not_quoted(tmp_path: Path) -> None:
    given = netrc(tmp_path / "netrc", "machine x login a hunter2 pass\n")
    with pytest.raises(ConfigError, match="not in netrc form") as error:
        credentials.account(URL, given)
    assert "hunter2" not in "".join(traceback.format_exception(error.value))


def test_a_secret_does_not_show() -> None:
    login = Login(Secret("me"), Secret("hunter2"))
    for text in (repr(login), str(login.secret), f"{login}", f"{login.secret!r:>20}"):
        assert "hunter2" not in text
    with pytest.raises(TypeError, match="not written to disk"):
        pickle.dumps(login)


def test_times_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REBEN_CDSE_STALL_S", "soon")
    with pytest.raises(ConfigError, match="REBEN_CDSE_STALL_S is 'soon'; expected seconds"):
        Service.from_environment()
