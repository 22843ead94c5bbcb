"""Credentials come from the environment or netrc, and are never displayed."""

import pickle
import traceback
from pathlib import Path

import pytest

from reben.cdse import credentials
from reben.cdse.credentials import Login, Secret
from reben.cdse.service import Service
from reben.runtime.errors import ConfigError

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


def test_a_line_break_in_a_key_is_an_error_that_does_not_quote_it() -> None:
    given = {"CDSE_S3_ACCESS_KEY": "key", "CDSE_S3_SECRET_KEY": "hunter2\n"}
    with pytest.raises(ConfigError, match="CDSE_S3_SECRET_KEY holds a line break") as error:
        credentials.s3_keys("https://eodata.dataspace.copernicus.eu", given)
    assert "hunter2" not in str(error.value)


def test_a_netrc_that_others_can_read_is_refused(tmp_path: Path) -> None:
    given = netrc(tmp_path / "netrc", "machine x login a password b", 0o644)
    with pytest.raises(ConfigError, match="others can read it; run `chmod 600"):
        credentials.account(URL, given)


def test_a_malformed_netrc_is_not_quoted(tmp_path: Path) -> None:
    given = netrc(tmp_path / "netrc", "machine x login a hunter2 pass\n")
    with pytest.raises(ConfigError, match="not a valid netrc file") as error:
        credentials.account(URL, given)
    assert "hunter2" not in "".join(traceback.format_exception(error.value))


def test_a_secret_does_not_show() -> None:
    login = Login(Secret("me"), Secret("hunter2"))
    for text in (repr(login), str(login.secret), f"{login}", f"{login.secret!r:>20}"):
        assert "hunter2" not in text
    with pytest.raises(TypeError, match="not written to disk"):
        pickle.dumps(login)


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("STALL_S", "soon", "seconds above 0"),
        ("PATIENCE_S", "-1", "seconds above 0"),
        ("DOWNLOAD", "zipper.example.org", "an address like https://zipper"),
        ("CATALOGUE", "http://example.org:port", "an address like https://catalogue"),
    ],
)
def test_the_service_is_checked(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, expected: str
) -> None:
    monkeypatch.setenv(f"REBEN_CDSE_{variable}", text)
    with pytest.raises(
        ConfigError, match=f"REBEN_CDSE_{variable} is '{text}'; expected {expected}"
    ):
        Service.from_environment()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("HTTP_PROXY", "http://me:hunter2@proxy:port"),
        ("HTTPS_PROXY", "ftp://me:hunter2@proxy"),
        ("ALL_PROXY", "socks5://me:hunter2@proxy"),
        ("SSL_CERT_FILE", "/nowhere/hunter2.pem"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_an_error_that_does_not_quote_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError, match="HTTPS_PROXY, .* cannot be used") as error:
        Service().client()
    assert "hunter2" not in "".join(traceback.format_exception(error.value))
