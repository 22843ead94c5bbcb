"""Download an archive over HTTPS: resumed after interruptions, checked before use.

In: an id, and what the catalogue says about it. Out: a complete file. Until then, the bytes
received are in ``{target}.part``, with a note ``{target}.json`` of which file they belong to,
so a killed job resumes where it stopped.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from reben.cdse.access_token import TokenSource
from reben.cdse.archive_check import check_file
from reben.cdse.retries import Pace, Patience, TransientError, check_status
from reben.cdse.service import Service, public
from reben.runtime.errors import DownloadError, TableError
from reben.runtime.files import read_json, write_json

log = logging.getLogger(__name__)

#: Complete archives with wrong bytes, or rejections of a new token, before giving up.
_MAX_REFUSALS = 5
_MAX_REDIRECTS = 5
#: Domain of CDSE's own hosts.
_SITE = ".dataspace.copernicus.eu"
#: Answer of a service under maintenance.
_NO_ARCHIVE = ("text/", "application/json")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True)
class Downloader:
    """Fetches archives one by one with the same account."""

    client: httpx.Client
    service: Service
    tokens: TokenSource

    def fetch(
        self,
        name: str,
        url: str,
        target: Path,
        expected: tuple[int, str],
        ask_again: Callable[[], tuple[int, str]],
    ) -> None:
        """Fetch `url` to `target`, resuming what an earlier try left there.

        Args:
            name: product name, for messages.
            url: address of the archive.
            target: path of the complete, checked file.
            expected: its bytes, or 0 if unknown, and its ``algorithm:hexdigest``, or empty.
            ask_again: the same from the catalogue now, for an archive that was regenerated
                since the product table was written.

        Raises:
            DownloadError: the service refuses, or keeps delivering wrong bytes.
        """
        patience = Patience(self.service)
        part = _Part(target, public(url))
        denied = damaged = have = 0

        def once() -> None:
            nonlocal denied, damaged, have
            try:
                if not part.is_complete():
                    self._stream(url, part, patience)
            except _UnauthorisedError as error:
                denied = denied + 1 if part.size() == have else 1
                have = part.size()
                if denied >= _MAX_REFUSALS:
                    raise DownloadError(
                        f"{name}: CDSE refused {denied} fresh access tokens; check that your "
                        "account may download and has accepted the terms"
                    ) from None
                raise TransientError(str(error)) from None
            problem = check_file(part.path, *expected)
            if problem is not None:
                now = ask_again()
                if now != expected and check_file(part.path, *now) is None:
                    log.warning(
                        "%s: the archive was regenerated since the product table was written; "
                        "accepted with its current size and checksum (%s)",
                        name,
                        now[1],
                    )
                    problem = None
            if problem is not None:
                part.discard()
                damaged += 1
                if damaged >= _MAX_REFUSALS:
                    raise DownloadError(
                        f"{name}: the archive came {damaged} times with other bytes than the "
                        f"catalogue states: {problem}. Nothing was kept. Try again later, or "
                        "use S3 keys, with which each file is checked separately"
                    )
                raise TransientError(f"the archive is damaged: {problem}")
            part.finish()

        patience.run(f"fetching {name}", once)

    def _stream(self, url: str, part: "_Part", patience: Patience) -> None:
        """Complete `part`, or raise and keep the bytes received so far."""
        have = part.size()
        with self._open(url, part.request_headers(have)) as response:
            if response.status_code == 401:
                self.tokens.forget()
                raise _UnauthorisedError("the access token is no longer accepted")
            if response.status_code == 416:
                part.discard()
                raise TransientError("the server has no such range; starting anew")
            check_status(response, f"fetching {public(url)}")
            if response.headers.get("Content-Type", "").startswith(_NO_ARCHIVE):
                raise TransientError("the service returned a web page instead of the archive")
            if response.status_code != 206:
                have = 0
                part.begin(response)
            elif not part.continues(response, have):
                part.discard()
                raise TransientError("the archive has changed on the server; starting over")
            pace = Pace(self.service, patience)
            with part.path.open("r+b") as file:
                file.seek(have)
                file.truncate()
                for block in response.iter_raw():
                    file.write(block)
                    pace.note(len(block))

    @contextmanager
    def _open(self, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Follow redirects; send the token only to CDSE's own hosts, over HTTPS."""
        home = httpx.URL(url)
        here = home
        for _ in range(_MAX_REDIRECTS):
            token = self.tokens.header() if _trusted(here, home) else {}
            request = self.client.build_request("GET", here, headers={**headers, **token})
            response = self.client.send(request, stream=True)
            try:
                if not response.has_redirect_location:
                    yield response
                    return
                try:
                    here = here.join(response.headers["Location"])
                except httpx.InvalidURL:
                    raise TransientError("the redirect leads nowhere") from None
                if here.scheme != "https" and here.scheme != home.scheme:
                    raise DownloadError(
                        f"{home.host} redirects to {here.scheme}://{here.host}; "
                        "expected an encrypted connection"
                    )
            finally:
                response.close()
        raise TransientError(f"more than {_MAX_REDIRECTS} redirects")


class _UnauthorisedError(Exception):
    """The server no longer accepts the token."""


def _trusted(here: httpx.URL, home: httpx.URL) -> bool:
    """Whether `here` may see the token that was issued for `home`.

    The same host, or, for CDSE itself, another of its hosts over HTTPS: the catalogue
    and the zipper redirect downloads to each other.
    """
    if (here.scheme, here.host, here.port) == (home.scheme, home.host, home.port):
        return True
    return here.scheme == "https" and here.host.endswith(_SITE) and home.host.endswith(_SITE)


class _Part:
    """The part of a file received so far, and the version of the file."""

    def __init__(self, target: Path, url: str) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.json")
        self._target = target
        self._url = url
        if target.is_file():  # complete but never used: checked again like any other
            self._write_note("", target.stat().st_size)
            target.replace(self.path)

    def size(self) -> int:
        """Bytes received of the noted version; all others are discarded."""
        try:
            note = read_json(self._note)
            if note["url"] == self._url and self.path.is_file():
                return self.path.stat().st_size
        except (TableError, OSError, KeyError, TypeError):
            pass  # nothing received yet, or of an unknown version
        self.discard()
        return 0

    def is_complete(self) -> bool:
        """Whether all bytes announced by the server have arrived."""
        have = self.size()
        return have > 0 and have == read_json(self._note)["size"]

    def request_headers(self, have: int) -> dict[str, str]:
        """Request the rest, or everything if the file has changed meanwhile."""
        # Byte ranges would be meaningless with compressed transfer.
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if etag := read_json(self._note)["etag"]:
                headers["If-Range"] = etag
        return headers

    def begin(self, response: httpx.Response) -> None:
        """Start over with the version in `response`."""
        self.discard()
        self._write_note(_strong_etag(response), int(response.headers.get("Content-Length", 0)))
        self.path.touch()

    def _write_note(self, etag: str, size: int) -> None:
        write_json(self._note, {"url": self._url, "etag": etag, "size": size})

    def continues(self, response: httpx.Response, have: int) -> bool:
        """Whether a 206 answer continues exactly where the part ends, in the same version."""
        note = read_json(self._note)
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != have:
            return False
        same_size = not note["size"] or int(match[3]) == note["size"]
        return same_size and _strong_etag(response) in ("", note["etag"])

    def discard(self) -> None:
        """Discard the part."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self) -> None:
        """Rename the complete part to the target."""
        self.path.replace(self._target)
        self._note.unlink(missing_ok=True)


def _strong_etag(response: httpx.Response) -> str:
    """The version of the bytes; a weak tag does not guarantee equal bytes (RFC 9110)."""
    etag: str = response.headers.get("ETag", "")
    return "" if etag.startswith("W/") else etag
