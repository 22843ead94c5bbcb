"""The HTTP answers of the CDSE stand-in to each request."""

import hashlib
import json
import random
import re
import select
import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

if TYPE_CHECKING:
    from tests.standins.cdse_server import Archive, CdseServer

LOGIN = ("someone@example.org", "correct horse battery staple")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, standin: "CdseServer", handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.standin = standin

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are expected here."""


class _Base(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    @property
    def standin(self) -> "CdseServer":
        return self.server.standin

    def answer(self, status: int, value: Any, **headers: str) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def fail(self, mishap: str) -> None:
        self.close_connection = True
        if mishap == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif mishap == "redirect":
            # A different host name, so that a careful client drops its token.
            where = f"http://localhost:{self.standin.foreign.server_port}"
            self.answer(
                302, {}, Location=f"{where}/{self.path.partition('(')[2].partition(')')[0]}"
            )
        elif mishap == "429":
            self.answer(429, {"detail": "too many"}, Retry_After="0")
        else:
            # Echoes the request, as careless servers do.
            self.answer(int(mishap), {"detail": str(self.headers)})

    def send_archive(self, archive: "Archive", mishap: str | None) -> None:
        content = archive.content
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        start = 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", etag) == etag
        if wanted and same and self.standin.resumable:
            start = int(wanted[1])
            if start >= len(content):
                return self.answer(416, {"detail": "no such range"})
            self.standin.counts.resumed += 1
        body = content[start:]
        if mishap == "wrong_bytes":
            body = bytes(b ^ 0xFF for b in body[:100]) + body[100:]
        if mishap == "wrong_length":
            body = body[: len(body) // 2]
        self.send_response(206 if start else 200)
        if self.standin.resumable:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if mishap == "cut":
            body = body[: random.randrange(len(body))]
        if mishap == "drip":
            self.close_connection = True
            return self._drip(body)
        self._write(body)
        if mishap == "cut":
            self.close_connection = True
        elif mishap is None:
            with self.standin.lock:
                self.standin.counts.completed[archive.id] += 1

    def _write(self, body: bytes) -> None:
        rate = self.standin.bytes_per_s
        if rate is None:
            self.wfile.write(body)
            return
        step = max(1, int(rate * 0.02))
        for at in range(0, len(body), step):
            self.wfile.write(body[at : at + step])
            time.sleep(0.02)

    def _drip(self, body: bytes) -> None:
        for byte in body:
            # A client that has hung up no longer counts as a download.
            if select.select([self.connection], [], [], 0.02)[0]:
                return
            self.wfile.write(bytes([byte]))


class Handler(_Base):
    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        mishap = self.standin.mishap("token")
        if mishap is not None:
            return self.fail(mishap)
        given = {key: values[0] for key, values in form.items()}
        if given.get("grant_type") == "password" and (
            (given.get("username"), given.get("password")) != LOGIN
        ):
            return self.answer(401, {"error": "invalid_grant", "error_description": str(given)})
        if given.get("client_id") != "cdse-public":
            return self.answer(400, {"error": "invalid_client"})
        self.answer(200, self.standin.new_token())

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if match := re.fullmatch(r"/zipper/odata/v1/Products\(([0-9a-f-]+)\)/\$value", url.path):
            return self._download(match[1])
        mishap = self.standin.mishap("catalogue")
        if mishap is not None:
            return self.fail(mishap)
        if match := re.fullmatch(r"/odata/v1/Products\(([0-9a-f-]+)\)", url.path):
            archive = self.standin.archives.get(match[1])
            if archive is None:
                return self.answer(404, {"detail": "Product not found"})
            return self.answer(200, archive.entry())
        if url.path == "/odata/v1/Products":
            return self._search(parse_qs(url.query))
        self.answer(404, {"detail": "unknown"})

    def _download(self, product_id: str) -> None:
        standin = self.standin
        with standin.download() as now:
            archive = standin.archives.get(product_id)
            if standin.counts.completed[product_id]:
                standin.counts.after_completion[product_id] += 1
            if not standin.takes(self.headers.get("Authorization", "")):
                return self.answer(401, {"detail": str(self.headers)})
            if archive is None:
                return self.answer(404, {"detail": "Product not found"})
            if now > 4:
                return self.fail("429")
            mishap = standin.mishap("download")
            if mishap == "expired":
                return self.answer(401, {"detail": "Expired signature"})
            if mishap == "page":
                return self.answer(200, {"detail": "maintenance"})
            if mishap in ("429", "500", "503", "drop", "redirect"):
                return self.fail(mishap)
            self.send_archive(archive, mishap)

    def _search(self, query: dict[str, list[str]]) -> None:
        question = query["$filter"][0]
        top, skip = int(query.get("$top", ["20"])[0]), int(query.get("$skip", ["0"])[0])
        top = min(top, self.standin.page)
        found = [a.entry() for a in self.standin.archives.values() if _matches(a, question)]
        found.sort(key=lambda entry: entry["ContentDate"]["Start"])
        answer: dict[str, Any] = {
            "@odata.context": "$metadata#Products",
            "value": found[skip : skip + top],
        }
        if skip + top < len(found):
            host = f"http://127.0.0.1:{self.server.server_port}"
            answer["@odata.nextLink"] = (
                f"{host}/odata/v1/Products?%24filter={quote(question)}"
                f"&%24top={top}&%24skip={skip + top}"
            )
        self.answer(200, answer)


def _matches(archive: "Archive", question: str) -> bool:
    """The part of OData's filter language that reben speaks."""
    entry, start = archive.entry(), archive.entry()["ContentDate"]["Start"]
    if match := re.search(r"Name eq '(S2[^']+)'", question):
        return bool(entry["Name"] == match[1])
    if match := re.search(r"startswith\(Name,'([^']+)'\)", question):
        return archive.name.startswith(match[1])
    level = re.search(r"Value eq 'S2MSI(\w\w)'", question)
    cloud = re.search(r"Value le ([\d.]+)", question)
    since = re.search(r"Start ge (\S+)", question)
    until = re.search(r"Start lt (\S+)", question)
    assert level is not None, question
    assert cloud is not None, question
    assert since is not None, question
    assert until is not None, question
    return (
        f"_MSIL{level[1]}_" in archive.name
        and archive.cloud_cover <= float(cloud[1])
        and since[1] <= start < until[1]
    )


class ForeignHandler(_Base):
    """A host that has the archives but must not get tokens or passwords."""

    def do_POST(self) -> None:
        self.standin.counts.leaked.append("a form")
        self.answer(200, {})

    def do_GET(self) -> None:
        with self.standin.download():
            if header := self.headers.get("Authorization"):
                self.standin.counts.leaked.append(header)
            self.send_archive(self.standin.archives[self.path.lstrip("/")], None)
