"""A password in an address of CDSE shows nowhere: no error, no log, no record on the disk."""

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import httpx
import pytest

from reben import products
from reben.cdse import object_store
from reben.cdse.access_token import TokenSource
from reben.cdse.catalogue import Catalogue
from reben.cdse.credentials import Login, Secret, account
from reben.cdse.download import Downloader
from reben.cdse.retries import Patience
from reben.cdse.service import Service, public
from reben.runtime import cli
from reben.runtime.errors import ConfigError, DownloadError
from tests.standins.cdse_server import Archive, CdseServer

SECRET = "s3cr3t-Passw0rd"
ID = "f602623e-fd82-5a53-ba09-b05ce085e40c"
NAME = "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608"
VARIABLES = ("CATALOGUE", "DOWNLOAD", "IDENTITY", "S3")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CdseServer]:
    """At addresses with a password; logs as `reben.runtime.cli.run` sets them up."""
    for chatty in cli._CHATTY:
        monkeypatch.setattr(logging.getLogger(chatty), "level", logging.WARNING)
        logging.getLogger(chatty).setLevel(logging.WARNING)
    with CdseServer([Archive(NAME, ID, bytes(2_000_000))]) as running:
        for name, value in running.environment.items():
            with_user = value.replace("://", f"://me:{SECRET}@") if "://" in value else value
            monkeypatch.setenv(name, with_user)
        monkeypatch.setenv("REBEN_CDSE_PATIENCE_S", "0.1")
        yield running


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize(
    "text",
    [
        "ftp://me:{}@mirror.example.org", "me:{}@mirror.example.org", "https://me:{}@",
        "https://me:{}@mirror.example.org:port", "http//me:{}@mirror",
        "ftp://mirror.example.org/?token={}", "ftp://mirror.example.org/#{}",
    ],
)  # fmt: skip
def test_an_address_that_is_refused_shows_its_host_alone(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(f"REBEN_CDSE_{variable}", text.format(SECRET))
    with pytest.raises(ConfigError, match=f"REBEN_CDSE_{variable} is .*; expected an") as error:
        Service.from_environment()
    assert SECRET not in "".join(traceback.format_exception(error.value))
    if text.startswith("ftp"):
        assert "mirror.example.org" in str(error.value)


def test_public_leaves_what_a_person_needs() -> None:
    assert (
        public(f"https://me:{SECRET}@a.org:81/odata/v1?x={SECRET}") == "https://a.org:81/odata/v1"
    )
    assert public(f"https://me:{SECRET}@a:b") == "an address that is none"


def everything_said(error: BaseException, caplog: pytest.LogCaptureFixture, folder: Path) -> str:
    files = [p.read_text(errors="replace") for p in folder.rglob("*") if p.is_file()]
    return "".join(traceback.format_exception(error)) + caplog.text + "".join(files)


@pytest.mark.parametrize("mishap", ["404", "500", "page"])
def test_no_mishap_of_a_download_shows_it(
    server: CdseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, mishap: str
) -> None:
    caplog.set_level(logging.INFO)
    server.plan = lambda kind, _: mishap if kind == "download" else None
    service = Service.from_environment()
    wanted = "00000000-0000-0000-0000-000000000000" if mishap == "404" else ID
    stop = mock.patch.object(Patience, "_wait", side_effect=KeyboardInterrupt)
    with service.client() as client, pytest.raises((DownloadError, KeyboardInterrupt)) as error:
        tokens = TokenSource(client, service, account(service.identity))
        with stop:
            Downloader(client, service, tokens).fetch(
                NAME, f"{service.download}/Products({wanted})/$value", tmp_path / "x.zip",
                (0, ""), lambda: (0, ""),
            )  # fmt: skip
    said = everything_said(error.value, caplog, tmp_path)
    assert SECRET not in said
    assert SECRET not in repr(service)


class Broken(httpx.SyncByteStream):
    """A connection that breaks off."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"half"
        raise httpx.ReadError("broken off")


def test_the_record_of_a_partial_download_does_not_hold_it(
    server: CdseServer, tmp_path: Path
) -> None:
    """The server hands out the archive without asking for a token, and breaks off."""
    service = Service.from_environment()
    headers = {"Content-Length": "9"}
    client = httpx.Client(
        transport=httpx.MockTransport(
            lambda request: httpx.Response(200, headers=headers, stream=Broken())
        )
    )
    tokens = mock.Mock(header=dict)
    patience = mock.patch.object(Patience, "_wait", side_effect=KeyboardInterrupt)
    with patience, pytest.raises((DownloadError, KeyboardInterrupt)):
        Downloader(client, service, tokens).fetch(
            NAME, f"{service.download}/x", tmp_path / "x.zip", (9, ""), lambda: (9, "")
        )
    record = (tmp_path / "x.zip.json").read_text()
    assert '"url": "http://127.0.0.1:' in record
    assert SECRET not in record


@pytest.mark.parametrize(
    "answer",
    [
        {"values": []},
        {"value": [], "@odata.nextLink": f"http://me:{SECRET}@elsewhere.example.org/x?y=1"},
        {"value": [{"Id": 1}]},
    ],
    ids=["no list", "another place", "no product"],
)
def test_no_answer_of_the_catalogue_shows_it(
    server: CdseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: object
) -> None:
    service = Service.from_environment()
    client = mock.Mock(get=lambda *_, **__: httpx.Response(200, json=answer))
    with (
        mock.patch("reben.cdse.catalogue.check_status"),
        pytest.raises(DownloadError) as error,
    ):
        Catalogue(client, service).by_name(NAME)
    assert SECRET not in everything_said(error.value, caplog, tmp_path)


def test_the_next_page_may_be_named_without_the_user(server: CdseServer) -> None:
    service = Service.from_environment()
    asked = []

    def get(url: str, **_: object) -> httpx.Response:
        asked.append(url)
        link = {"@odata.nextLink": public(service.catalogue) + "/Products?$skip=1"}
        return httpx.Response(200, json={"value": []} | (link if len(asked) < 2 else {}))

    with mock.patch("reben.cdse.catalogue.check_status"):
        Catalogue(mock.Mock(get=get), service).by_name(NAME)
    assert asked == [f"{service.catalogue}/Products", f"{service.catalogue}/Products?$skip=1"]


def test_an_object_store_that_cannot_be_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REBEN_CDSE_PATIENCE_S", "0.1")
    keys = Login(Secret("a"), Secret("b"))
    for host in ("127.0.0.1:9", "under_score..org"):
        monkeypatch.setenv("REBEN_CDSE_S3", f"http://me:{SECRET}@{host}")
        with pytest.raises((DownloadError, ConfigError)) as error:
            object_store.fetch(NAME, "/eodata/x.SAFE", tmp_path, Service.from_environment(), keys)
        assert SECRET not in everything_said(error.value, caplog, tmp_path), host


def test_the_search_does_not_show_it(
    server: CdseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = NAME.replace("T33UUP", "T33UVP")
    with pytest.raises(DownloadError) as error:
        products.main([other, "--out", str(tmp_path / "x.tsv")])
    assert SECRET not in everything_said(error.value, caplog, tmp_path)
