"""A stand-in for CDSE on loopback: catalogue, tokens and archives, and every mishap.

It answers in the form of the recorded catalogue answer, counts what is asked of it, and
misbehaves as a plan says: a function that is asked once a request and names a mishap.
"""

import hashlib
import json
import random
import re
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import blake3

#: What can go wrong with a download; the first five also with the other endpoints.
MISHAPS = (
    "429",
    "503",
    "500",
    "drop",
    "cut",
    "drip",
    "wrong_length",
    "wrong_bytes",
    "expired",
    "redirect",
    "page",
)
USER, PASSWORD = "someone@example.org", "correct horse battery staple"

#: Of a request, what goes wrong with it: (kind, number of the request) to mishap or None.
Plan = Callable[[str, int], str | None]


def well(kind: str, number: int) -> str | None:
    """The plan of a good day."""
    return None


def bad_night(seed: int, share: float = 0.3) -> Plan:
    """A plan by which a share of all requests fails at random, in all ways before one recurs."""
    lock = threading.Lock()
    rngs: dict[str, random.Random] = {}
    ways: dict[str, list[str]] = {}

    def plan(kind: str, number: int) -> str | None:
        with lock:
            rng = rngs.setdefault(kind, random.Random(f"{kind} {seed}"))
            if rng.random() >= share:
                return None
            if not ways.get(kind):
                possible = MISHAPS if kind == "download" else MISHAPS[:4]
                ways[kind] = rng.sample(possible, len(possible))
            return ways[kind].pop()

    return plan


@dataclass
class Archive:
    """A product on offer."""

    name: str
    id: str
    content: bytes
    published: str = "2023-08-23T09:26:23.105134Z"
    cloud_cover: float = 5.0
    online: bool = True
    #: What the catalogue calls it, where not `name`.
    renamed: str | None = None
    #: None: the checksums of `content`.
    checksums: dict[str, str] | None = None

    def entry(self) -> dict[str, Any]:
        """The product as the recorded catalogue answer has it."""
        sums = self.checksums
        if sums is None:
            sums = {
                "MD5": hashlib.md5(self.content).hexdigest(),
                "BLAKE3": blake3.blake3(self.content).hexdigest(),
            }
        day = self.name.split("_")[2]
        start = f"{day[:4]}-{day[4:6]}-{day[6:8]}T{day[9:11]}:{day[11:13]}:{day[13:15]}.000000Z"
        return {
            "@odata.mediaContentType": "application/octet-stream",
            "Id": self.id,
            "Name": f"{self.renamed or self.name}.SAFE",
            "ContentLength": len(self.content),
            "PublicationDate": self.published,
            "Online": self.online,
            "S3Path": f"/eodata/Sentinel-2/MSI/{day[:4]}/{self.name}.SAFE",
            "Checksum": [{"Algorithm": a, "Value": v} for a, v in sums.items()],
            "ContentDate": {"Start": start, "End": start},
        }


@dataclass
class Counts:
    """What the server has seen."""

    requests: Counter[str] = field(default_factory=Counter)
    mishaps: Counter[str] = field(default_factory=Counter)
    #: Whole, right archives sent, by id.
    completed: Counter[str] = field(default_factory=Counter)
    #: Requests for an archive that had been sent whole and right.
    after_completion: Counter[str] = field(default_factory=Counter)
    resumed: int = 0
    now: int = 0
    most_at_once: int = 0
    #: Authorization headers that arrived at the foreign host.
    leaked: list[str] = field(default_factory=list)


class CdseServer:
    """The stand-in; `environment` points reben at it."""

    def __init__(self, archives: list[Archive], plan: Plan = well, token_life_s: float = 600):
        self.archives = {archive.id: archive for archive in archives}
        self.plan = plan
        self.token_life_s = token_life_s
        self.page = 50
        self.resumable = True
        self.bytes_per_s: float | None = None
        self.counts = Counts()
        self.lock = threading.Lock()
        self._tokens: dict[str, float] = {}
        self._progress: dict[str, set[tuple[int, int]]] = {}
        self.main = _Server(self, _Handler)
        self.foreign = _Server(self, _ForeignHandler)

    @property
    def environment(self) -> dict[str, str]:
        root = f"http://127.0.0.1:{self.main.server_port}"
        return {
            "REBEN_CDSE_CATALOGUE": f"{root}/odata/v1",
            "REBEN_CDSE_DOWNLOAD": f"{root}/zipper/odata/v1",
            "REBEN_CDSE_IDENTITY": f"{root}/auth/realms/CDSE/protocol/openid-connect",
            "REBEN_CDSE_PAUSE_S": "0.05",
            "REBEN_CDSE_STALL_S": "0.5",
            "REBEN_CDSE_PATIENCE_S": "60",
            "CDSE_USERNAME": USER,
            "CDSE_PASSWORD": PASSWORD,
        }

    def __enter__(self) -> "CdseServer":
        for server in (self.main, self.foreign):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.main, self.foreign):
            server.shutdown()
            server.server_close()

    def mishap(self, kind: str) -> str | None:
        with self.lock:
            number = self.counts.requests[kind]
            self.counts.requests[kind] += 1
        mishap = self.plan(kind, number)
        if mishap is not None:
            with self.lock:
                self.counts.mishaps[mishap] += 1
        return mishap

    def new_token(self) -> dict[str, Any]:
        token = f"access.{random.getrandbits(64):x}"
        with self.lock:
            self._tokens[token] = time.monotonic() + self.token_life_s
        return {
            "access_token": token,
            "expires_in": self.token_life_s,
            "refresh_token": f"refresh.{random.getrandbits(64):x}",
            "refresh_expires_in": 3600,
            "token_type": "Bearer",
        }

    def takes(self, header: str) -> bool:
        token = header.removeprefix("Bearer ")
        return header.startswith("Bearer ") and self._tokens.get(token, 0) > time.monotonic()

    @contextmanager
    def download(self) -> Iterator[int]:
        """Count a running download; yields how many run, this one included."""
        with self.lock:
            self.counts.now += 1
            self.counts.most_at_once = max(self.counts.most_at_once, self.counts.now)
            now = self.counts.now
        try:
            yield now
        finally:
            with self.lock:
                self.counts.now -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, standin: CdseServer, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.standin = standin

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what this is for."""


class _Base(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    @property
    def standin(self) -> CdseServer:
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
            # Another host by name, so that a careful client takes its token off.
            where = f"http://localhost:{self.standin.foreign.server_port}"
            self.answer(
                302, {}, Location=f"{where}/{self.path.partition('(')[2].partition(')')[0]}"
            )
        elif mishap == "429":
            self.answer(429, {"detail": "too many"}, Retry_After="0")
        else:
            # Repeats what was sent, as careless servers do.
            self.answer(int(mishap), {"detail": str(self.headers)})

    def send_archive(self, archive: Archive, mishap: str | None) -> None:
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


class _Handler(_Base):
    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        mishap = self.standin.mishap("token")
        if mishap is not None:
            return self.fail(mishap)
        given = {key: values[0] for key, values in form.items()}
        if given.get("grant_type") == "password" and (
            (given.get("username"), given.get("password")) != (USER, PASSWORD)
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


def _matches(archive: Archive, question: str) -> bool:
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


class _ForeignHandler(_Base):
    """A host that has the archives but no business with tokens and passwords."""

    def do_POST(self) -> None:
        self.standin.counts.leaked.append("a form")
        self.answer(200, {})

    def do_GET(self) -> None:
        with self.standin.download():
            if header := self.headers.get("Authorization"):
                self.standin.counts.leaked.append(header)
            self.send_archive(self.standin.archives[self.path.lstrip("/")], None)
