"""One download through every failure that the stand-in has."""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import httpx
import pytest

from reben.cdse import download
from reben.cdse.access_token import TokenSource
from reben.cdse.credentials import account
from reben.cdse.download import Downloader
from reben.cdse.retries import Patience, TransientError, check_status
from reben.cdse.service import Service
from reben.runtime.errors import DownloadError
from tests.standins.cdse_server import MISHAPS, PASSWORD, Archive, CdseServer, Plan

CONTENT = hashlib.shake_256(b"a product").digest(300_000)
ID = "f602623e-fd82-5a53-ba09-b05ce085e40c"
NAME = "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608"


def first(*mishaps: str) -> Plan:
    """The first downloads fail in these ways, one after the other."""

    def plan(kind: str, number: int) -> str | None:
        return mishaps[number] if kind == "download" and number < len(mishaps) else None

    return plan


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CdseServer]:
    with CdseServer([Archive(NAME, ID, CONTENT)]) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def fetch(server: CdseServer, target: Path, **values: object) -> None:
    service = Service.from_environment()
    entry = server.archives[ID].entry()
    checksum = f"md5:{entry['Checksum'][0]['Value']}"
    with service.client() as client:
        tokens = TokenSource(client, service, account(service.identity))
        Downloader(client, service, tokens).fetch(
            NAME,
            f"{service.download}/Products({values.get('id', ID)})/$value",
            target,
            values.get("expected", (entry["ContentLength"], checksum)),  # type: ignore[arg-type]
            lambda: (entry["ContentLength"], checksum),
        )


@pytest.mark.parametrize("mishap", MISHAPS)
def test_one_mishap_is_survived(server: CdseServer, tmp_path: Path, mishap: str) -> None:
    server.plan = first(mishap, mishap)
    target = tmp_path / "product.zip"
    fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert server.counts.mishaps[mishap] == (1 if mishap == "redirect" else 2)
    assert [p.name for p in tmp_path.iterdir()] == ["product.zip"]
    assert server.counts.leaked == []


def test_a_broken_download_goes_on_where_it_was(server: CdseServer, tmp_path: Path) -> None:
    server.plan = first("cut", "cut", "cut")
    fetch(server, tmp_path / "product.zip")
    assert server.counts.resumed == 3


def fetch_and_die(server: CdseServer, target: Path) -> None:
    """Like `fetch`, but the connection breaks and the job is killed before it tries again."""
    server.plan = first("cut")
    with (
        mock.patch.object(Patience, "_wait", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        fetch(server, target)


def test_a_killed_download_goes_on_where_it_was(server: CdseServer, tmp_path: Path) -> None:
    fetch_and_die(server, tmp_path / "product.zip")
    assert (tmp_path / "product.zip.part").exists()
    fetch(server, tmp_path / "product.zip")
    assert server.counts.resumed == 1
    assert (tmp_path / "product.zip").read_bytes() == CONTENT


def test_a_download_killed_before_its_check_is_not_fetched_again(
    server: CdseServer, tmp_path: Path
) -> None:
    with (
        mock.patch.object(download, "check_file", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        fetch(server, tmp_path / "product.zip")
    fetch(server, tmp_path / "product.zip")
    assert server.counts.after_completion[ID] == 0
    assert (tmp_path / "product.zip").read_bytes() == CONTENT


def test_a_finished_archive_is_checked_again_and_kept(server: CdseServer, tmp_path: Path) -> None:
    """Also one that was regenerated since the product table was written."""
    old = (7, "md5:" + "0" * 32)
    fetch(server, tmp_path / "product.zip", expected=old)
    fetch(server, tmp_path / "product.zip", expected=old)
    assert server.counts.requests["download"] == 1
    (tmp_path / "product.zip").write_bytes(CONTENT[:-1])
    fetch(server, tmp_path / "product.zip")
    assert (tmp_path / "product.zip").read_bytes() == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == ["product.zip"]


@pytest.mark.parametrize("note", ["", "{", "[]", "{}"])
def test_a_note_that_was_damaged_starts_anew(server: CdseServer, tmp_path: Path, note: str) -> None:
    (tmp_path / "product.zip.part").write_bytes(CONTENT[:10])
    (tmp_path / "product.zip.json").write_text(note)
    fetch(server, tmp_path / "product.zip")
    assert (tmp_path / "product.zip").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_anew(server: CdseServer, tmp_path: Path) -> None:
    server.resumable = False
    server.plan = first("cut", "drip")
    fetch(server, tmp_path / "product.zip")
    assert (tmp_path / "product.zip").read_bytes() == CONTENT


def test_an_archive_that_changes_in_between_starts_anew(server: CdseServer, tmp_path: Path) -> None:
    fetch_and_die(server, tmp_path / "product.zip")
    server.archives[ID].content = CONTENT[::-1]
    fetch(server, tmp_path / "product.zip")
    assert (tmp_path / "product.zip").read_bytes() == CONTENT[::-1]
    assert server.counts.resumed == 0


def test_an_archive_made_anew_since_the_table_is_taken_with_a_warning(
    server: CdseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetch(server, tmp_path / "product.zip", expected=(7, "md5:" + "0" * 32))
    assert (tmp_path / "product.zip").read_bytes() == CONTENT
    assert "regenerated since the product table was written" in caplog.text


def test_bytes_that_never_agree_are_not_kept(server: CdseServer, tmp_path: Path) -> None:
    server.plan = lambda kind, number: "wrong_bytes" if kind == "download" else None
    with pytest.raises(DownloadError, match=rf"{NAME}: the archive came 5 times with other bytes"):
        fetch(server, tmp_path / "product.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_refused_account_stops_at_once(
    server: CdseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDSE_PASSWORD", "wrong but secret")
    with pytest.raises(DownloadError, match=r"refuses the CDSE account \(401\)") as error:
        fetch(server, tmp_path / "product.zip")
    assert "wrong but secret" not in str(error.value)
    assert server.counts.requests["token"] == 1


def test_a_login_under_maintenance_is_waited_for(server: CdseServer, tmp_path: Path) -> None:
    """It redirects elsewhere, and the password is not sent there."""
    server.plan = lambda kind, number: "redirect" if kind == "token" and number < 2 else None
    fetch(server, tmp_path / "product.zip")
    assert server.counts.requests["token"] == 3
    assert server.counts.leaked == []


def test_an_account_that_may_not_download_stops(server: CdseServer, tmp_path: Path) -> None:
    server.plan = lambda kind, number: "expired" if kind == "download" else None
    with pytest.raises(DownloadError, match="refused 5 fresh access tokens"):
        fetch(server, tmp_path / "product.zip")


def test_refusals_between_which_bytes_arrive_are_survived(
    server: CdseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REBEN_CDSE_PAUSE_S", "0.0001")
    server.plan = first(*(["expired", "cut"] * 6))
    fetch(server, tmp_path / "product.zip")
    assert (tmp_path / "product.zip").read_bytes() == CONTENT


def test_a_page_of_a_service_under_maintenance_is_no_archive(
    server: CdseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even repeatedly: we wait for its end as for that of a 503."""
    monkeypatch.setenv("REBEN_CDSE_PAUSE_S", "0.0001")
    server.plan = first(*(["page"] * 8))
    fetch(server, tmp_path / "product.zip")
    assert (tmp_path / "product.zip").read_bytes() == CONTENT


def test_the_proxy_of_the_environment_is_used(
    server: CdseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in serves as a proxy, for an address that does not exist."""
    root = server.environment["REBEN_CDSE_CATALOGUE"].removesuffix("/odata/v1")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value.replace(root, "http://cdse.invalid"))
    with pytest.raises(DownloadError, match="given up"):
        monkeypatch.setenv("REBEN_CDSE_PATIENCE_S", "0.1")
        fetch(server, tmp_path / "product.zip")
    monkeypatch.setenv("HTTP_PROXY", root)
    fetch(server, tmp_path / "product.zip")
    assert (tmp_path / "product.zip").read_bytes() == CONTENT


def test_an_unknown_id_stops_at_once(server: CdseServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"404 Not Found .* run `make products`"):
        fetch(server, tmp_path / "product.zip", id="00000000-0000-0000-0000-000000000000")
    assert server.counts.requests["download"] <= 1


def test_a_token_that_ends_mid_way_is_renewed(server: CdseServer, tmp_path: Path) -> None:
    server.token_life_s = 0.3
    server.bytes_per_s = 600_000
    server.plan = first("cut", "cut")
    fetch(server, tmp_path / "product.zip")
    assert server.counts.requests["token"] >= 2
    assert server.counts.mishaps["expired"] == 0


def test_patience_ends(server: CdseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REBEN_CDSE_PATIENCE_S", "0.3")
    server.plan = lambda kind, number: "503" if kind == "download" else None
    with pytest.raises(DownloadError, match="given up after .* 503 Service Unavailable"):
        fetch(server, tmp_path / "product.zip")


def test_pauses_grow_and_progress_shortens_them(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = Patience(Service(pause_s=10))
    state = mock.Mock(outcome=None)
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    assert [patience._wait(state) for _ in range(7)] == [10, 20, 40, 80, 160, 300, 300]
    patience.progress()
    assert patience._wait(state) == 10
    state.outcome = mock.Mock(exception=lambda: TransientError("429", retry_after_s=900))
    assert patience._wait(state) == 900


@pytest.mark.parametrize(
    ("text", "pause_s"),
    [
        ("120", 120),
        ("90000", 3600),
        ("Sun, 06 Nov 2994 08:49:37 GMT", 3600),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("-5", 0),
        ("nan", 0),
        ("²", 0),
        ("soon", 0),
        ("", 0),
    ],
)
@pytest.mark.parametrize("status", [302, 429, 509, 599])
def test_the_pause_that_a_server_asks_for(status: int, text: str, pause_s: float) -> None:
    answer = httpx.Response(
        status,
        headers={"Retry-After": text.encode()},
        request=httpx.Request("GET", "https://zipper.dataspace.copernicus.eu"),
    )
    with pytest.raises(TransientError) as error:
        check_status(answer, "asking")
    assert error.value.retry_after_s == pause_s


@pytest.mark.parametrize(
    ("here", "trusted"),
    [
        ("https://zipper.dataspace.copernicus.eu/x", True),
        ("https://download.dataspace.copernicus.eu/x", True),
        ("http://download.dataspace.copernicus.eu/x", False),
        ("https://dataspace.copernicus.eu.evil.org/x", False),
        ("https://evildataspace.copernicus.eu/x", False),
        ("https://zipper.dataspace.copernicus.eu:444/x", True),
    ],
)
def test_the_token_goes_to_cdse_only(here: str, trusted: bool) -> None:
    home = httpx.URL("https://zipper.dataspace.copernicus.eu/odata/v1/Products(1)/$value")
    assert download._trusted(httpx.URL(here), home) is trusted


def test_secrets_stay_out_of_debug_logs(
    server: CdseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.plan = first("500", "expired", "cut")
    fetch(server, tmp_path / "product.zip")
    assert PASSWORD not in caplog.text
    assert "access." not in caplog.text
