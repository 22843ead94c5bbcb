"""A stand-in for CDSE on loopback: catalogue, tokens and archives, and all kinds of failures.

It answers in the form of the recorded catalogue answer, counts requests, and fails
according to a plan: a function that is called for each request and names a failure.
"""

import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import blake3
import shapely.geometry

from tests.standins.cdse_answers import LOGIN, ForeignHandler, Handler, Server

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
USER, PASSWORD = LOGIN

#: Of a request, what goes wrong with it: (kind, number of the request) to mishap or None.
Plan = Callable[[str, int], str | None]


def well(kind: str, number: int) -> str | None:
    """The plan without failures."""
    return None


def bad_night(seed: int, share: float = 0.3) -> Plan:
    """A plan in which a share of requests fails at random, in all ways before one recurs."""
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
    """An available product."""

    name: str
    id: str
    content: bytes
    published: str = "2023-08-23T09:26:23.105134Z"
    cloud_cover: float = 5.0
    online: bool = True
    #: Its name in the catalogue, if not `name`.
    renamed: str | None = None
    #: What it shows, degrees; None: the catalogue does not say.
    footprint: shapely.Geometry | None = None
    #: None: the checksums of `content`.
    checksums: dict[str, str] | None = None

    def entry(self) -> dict[str, Any]:
        """The product in the form of the recorded catalogue answer."""
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
            "GeoFootprint": self.footprint and shapely.geometry.mapping(self.footprint),
        }


@dataclass
class Counts:
    """Statistics of the server."""

    requests: Counter[str] = field(default_factory=Counter)
    mishaps: Counter[str] = field(default_factory=Counter)
    #: Complete, correct archives sent, by id.
    completed: Counter[str] = field(default_factory=Counter)
    #: Requests for an archive that was already sent completely and correctly.
    after_completion: Counter[str] = field(default_factory=Counter)
    resumed: int = 0
    now: int = 0
    most_at_once: int = 0
    #: Authorization headers that arrived at the foreign host.
    leaked: list[str] = field(default_factory=list)


class CdseServer:
    """The stand-in; `environment` points reben to it."""

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
        self.main = Server(self, Handler)
        self.foreign = Server(self, ForeignHandler)

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
