"""A product arrives complete, from any source, or not at all."""

import contextlib
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock
from unittest.mock import Mock

import boto3
import pytest
from moto.server import ThreadedMotoServer

from reben import acquire
from reben.cdse import credentials, object_store
from reben.cdse.service import Service
from reben.config.product_table import Product, write_products
from reben.runtime.errors import (
    ConfigError,
    DownloadError,
    OwnershipError,
    ProductError,
    SpaceError,
)
from reben.synthetic import write_product
from reben.synthetic.manifest import manifest_xml
from tests.standins import products
from tests.standins.cdse_server import CdseServer

_ID = "0" * 8 + "-0000-4000-8000-" + "0" * 12


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return products.make(tmp_path_factory.mktemp("l1c"))


@pytest.fixture(scope="module")
def l2a(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return products.make(tmp_path_factory.mktemp("l2a"), level="L2A")


def run(tmp_path: Path, product: Product, out: Path | None = None) -> Path:
    table = tmp_path / "products.tsv"
    write_products(table, [product])
    out = out or tmp_path / "out" / product.tile
    acquire.main(["--products", str(table), "--tile", product.tile, "--out", str(out)])
    return out


def local(path: Path, name: str | None = None, **values: str) -> Product:
    name = name or path.stem
    return Product(name, name[7:10], "local", str(path), **values)


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*")}


def only(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_local_folder_is_copied(safe: Path, tmp_path: Path) -> None:
    out = run(tmp_path, local(safe))
    assert names(out / safe.name) == names(safe)
    assert only(out.parent) == [out.name]


def test_a_local_zip_is_unpacked_and_its_empty_folders_made(safe: Path, tmp_path: Path) -> None:
    path = tmp_path / "any.zip"
    path.write_bytes(products.zipped(safe))
    out = run(tmp_path, local(path, safe.stem))
    made = names(out / safe.name)
    assert {"AUX_DATA", "HTML"} <= made
    assert any(name.endswith("/QI_DATA") and name.startswith("DATASTRIP") for name in made)


@pytest.fixture(scope="module")
def collection1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product of Collection-1 without ``DATASTRIP/*/QI_DATA``, also by its manifest."""
    name = "S2C_MSIL1C_20250613T101031_N0511_R022_T33UUP_20250613T120000"
    spec = replace(products.l1c_spec(boa_offset=True), name=name)
    safe = write_product(tmp_path_factory.mktemp("c1"), spec, entropy=0.25)
    shutil.rmtree(next(safe.glob("DATASTRIP/*/QI_DATA")))
    (safe / "manifest.safe").unlink()
    files = sorted(p.relative_to(safe).as_posix() for p in safe.rglob("*") if p.is_file())
    (safe / "manifest.safe").write_text(manifest_xml(spec, safe, files))
    return safe


@pytest.mark.parametrize("source", ["folder", "zip", "object store"])
def test_a_product_of_collection_1_gets_the_folder_that_sen2cor_needs(
    source: str, collection1: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before = names(collection1)
    product = local(collection1)
    if source == "zip":
        path = tmp_path / "any.zip"
        path.write_bytes(products.zipped(collection1))
        product = local(path, collection1.stem)
    if source == "object store":
        client = s3_client(request.getfixturevalue("store"))
        upload(client, collection1)
        where = f"/eodata/S2/{collection1.name}"
        product = Product(collection1.stem, "L1C", "cdse", id=_ID, s3_path=where)
    out = run(tmp_path, product) / collection1.name
    assert len(list(out.glob("DATASTRIP/*/QI_DATA"))) == 1
    assert names(collection1) == before  # the user's own is left as it is


def test_an_l2a_zip_becomes_the_safe_itself(l2a: Path, tmp_path: Path) -> None:
    path = tmp_path / f"{l2a.stem}.zip"
    path.write_bytes(products.zipped(l2a))
    out = run(tmp_path, local(path))
    assert (out / "MTD_MSIL2A.xml").is_file()


def test_what_a_killed_try_left_is_replaced_but_nothing_else(safe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / ".part-out").mkdir()
    (tmp_path / ".part-out" / "half").touch()
    run(tmp_path, local(safe), out)
    assert only(out) == [safe.name]
    with pytest.raises(OwnershipError, match=rf"out: expected a new folder .*{safe.name}"):
        run(tmp_path, local(safe), out)
    assert only(out) == [safe.name]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"size": "17"}, "expected 17 bytes"),
        ({"checksum": "sha256:" + "0" * 64}, "expected sha256:0000"),
    ],
)
def test_a_zip_that_is_not_as_the_table_has_it(
    safe: Path, tmp_path: Path, values: dict[str, str], why: str
) -> None:
    path = tmp_path / "any.zip"
    path.write_bytes(products.zipped(safe))
    with pytest.raises(ProductError, match=rf"any\.zip: does not match the product table: {why}"):
        run(tmp_path, local(path, safe.stem, **values))
    assert only(tmp_path / "out") == []


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))


@pytest.mark.parametrize(
    ("attack", "why"),
    [
        (lambda top: ("../../outside", b"gotcha"), "refused: entry '../../outside' points outside"),
        (lambda top: (zip_link(f"{top}/link"), b"/etc/passwd"), "is a link or device"),
        (lambda top: (f"{top}/bomb", bytes(100 * 2**20)), "refused: .* bytes unpacked"),
        (
            lambda top: (f"{top}/manifest.safe", f"<!DOCTYPE x [{LAUGHS}]><x>&l9;</x>".encode()),
            r"/manifest\.safe: refused: it defines XML entities",
        ),
    ],
    ids=["path", "link", "bomb", "entities"],
)
def test_an_archive_built_to_attack_is_refused_by_name(
    safe: Path,
    tmp_path: Path,
    attack: Callable[[str], tuple[str | zipfile.ZipInfo, bytes]],
    why: str,
) -> None:
    path = tmp_path / "attack.zip"
    entry, content = attack(safe.name)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        if entry != f"{safe.name}/manifest.safe":
            packed.write(safe / "manifest.safe", f"{safe.name}/manifest.safe")
        packed.writestr(entry, content)
    with pytest.raises(ProductError, match=rf"^{re.escape(str(path))}.*{why}"):
        run(tmp_path, local(path, safe.stem), tmp_path / "deep" / "results" / "out")
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")}
    assert left == {"attack.zip", "products.tsv", "deep", "deep/results"}


def zip_link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_a_damaged_local_folder_leaves_nothing(safe: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(safe, tmp_path / safe.name))
    next(damaged.rglob("*_B01.jp2")).unlink()
    with pytest.raises(ProductError, match=r"_B01\.jp2 is missing"):
        run(tmp_path, local(damaged))
    assert only(tmp_path / "out") == []


def test_a_disk_without_room_is_found_before_copying(
    safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: mock.Mock(free=10_000))
    with pytest.raises(SpaceError, match=rf"GB of free disk for a copy of .*{safe.name}, found"):
        run(tmp_path, local(safe))
    assert only(tmp_path / "out") == []


def test_a_local_folder_with_a_link_is_refused(safe: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(safe, tmp_path / safe.name))
    (damaged / "AUX_DATA" / "link").symlink_to("/etc/passwd")
    with pytest.raises(ProductError, match="AUX_DATA/link is a link"):
        run(tmp_path, local(damaged))


def test_a_path_that_is_not_there(safe: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a \.SAFE folder or zip at .*nowhere"):
        run(tmp_path, local(tmp_path / "nowhere", safe.stem))


def test_a_tile_that_is_not_in_the_table(safe: Path, tmp_path: Path) -> None:
    write_products(tmp_path / "t.tsv", [local(safe)])
    with pytest.raises(ConfigError, match=r"t\.tsv: expected a product of tile other"):
        acquire.main(["--products", f"{tmp_path}/t.tsv", "--tile", "other", "--out", "x"])


@pytest.fixture
def server(safe: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CdseServer]:
    with CdseServer([products.archive(safe)]) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.mark.parametrize("bare", [False, True])
def test_a_product_is_fetched(server: CdseServer, tmp_path: Path, bare: bool) -> None:
    [archive] = server.archives.values()
    out = run(tmp_path, products.listed(archive, bare=bare))
    assert only(out) == [f"{archive.name}.SAFE"]
    assert only(out.parent) == [out.name]
    assert server.counts.requests["catalogue"] == (1 if bare else 0)


def test_a_fetched_archive_is_kept_until_it_is_unpacked(
    server: CdseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [archive] = server.archives.values()
    with monkeypatch.context() as patch:
        patch.setattr("reben.safe.archive.unpack", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, products.listed(archive))
    run(tmp_path, products.listed(archive))
    assert server.counts.completed[archive.id] == 1
    assert server.counts.after_completion[archive.id] == 0


def test_an_archive_that_is_no_good_is_not_trusted_again(
    server: CdseServer, tmp_path: Path
) -> None:
    [archive] = server.archives.values()
    good, archive.content = archive.content, b"PK but nothing else"
    with pytest.raises(ProductError, match="expected a complete zip"):
        run(tmp_path, products.listed(archive))
    assert only(tmp_path / "out") == []
    archive.content = good
    run(tmp_path, products.listed(archive))


def test_an_id_of_another_product_is_an_error(server: CdseServer, tmp_path: Path) -> None:
    [archive] = server.archives.values()
    product = products.listed(archive, bare=True)
    other = Product(product.product.replace("UUP", "UVP"), "L1C", "cdse", id=product.id)
    with pytest.raises(ConfigError, match=f"its id .* belongs to {archive.name}"):
        run(tmp_path, other)


def s3_client(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="hunter2",
    )


def upload(client: Any, safe: Path) -> None:
    for path in sorted(safe.rglob("*")):
        if path.is_file():
            client.upload_file(str(path), "eodata", f"S2/{path.relative_to(safe.parent)}")


@pytest.fixture
def store(safe: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 stand-in with the product, and keys in the environment."""
    running = ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    url = f"http://{host}:{port}"
    monkeypatch.setenv("REBEN_CDSE_S3", url)
    monkeypatch.setenv("CDSE_S3_ACCESS_KEY", "AKIDEXAMPLE")
    monkeypatch.setenv("CDSE_S3_SECRET_KEY", "hunter2")
    monkeypatch.setenv("REBEN_CDSE_PAUSE_S", "0.05")
    client = s3_client(url)
    client.create_bucket(Bucket="eodata")
    upload(client, safe)
    client.put_object(Bucket="eodata", Key=f"S2/{safe.name}/AUX_DATA/", Body=b"")
    monkeypatch.setenv("REBEN_CDSE_PATIENCE_S", "20")
    yield url
    running.stop()


def test_s3(store: str, safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = safe.stem
    product = Product(
        name,
        "L1C",
        "cdse",
        id=_ID,
        s3_path=f"/eodata/S2/{safe.name}",
    )
    fetched = []
    real = object_store._client

    class Breaking:
        """A client that fails at the third file, and counts."""

        def __init__(self, *arguments: object) -> None:
            self.client = real(*arguments)  # type: ignore[arg-type]

        def get_paginator(self, name: str) -> object:
            return self.client.get_paginator(name)

        def download_file(self, bucket: str, key: str, path: str, **values: object) -> None:
            fetched.append(key)
            if len(fetched) == 3:
                Path(path).write_bytes(b"half")
                raise KeyboardInterrupt
            self.client.download_file(bucket, key, path, **values)

    monkeypatch.setattr(object_store, "_client", Breaking)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, product)
    out = run(tmp_path, product)
    files = {p.relative_to(safe) for p in safe.rglob("*") if p.is_file()}
    assert {p.relative_to(out / safe.name) for p in out.rglob("*") if p.is_file()} == files
    assert len(fetched) == len(files) + 1
    assert only(out.parent) == [out.name]

    alone = subprocess.run(
        [
            *(sys.executable, "-m", "reben.acquire", "--products", tmp_path / "products.tsv"),
            *("--tile", product.tile, "--out", tmp_path / "alone"),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert name in alone.stderr
    assert not re.search("hunter2|AKIDEXAMPLE|botocore", alone.stderr)

    absent = Product(name, "L1C", "cdse", id=product.id, s3_path="/eodata/S2/other.SAFE")
    with pytest.raises(DownloadError, match=rf"{name}: expected the product at /eodata/S2/other"):
        run(tmp_path, absent, tmp_path / "absent")
    service = Service.from_environment()
    keys = credentials.s3_keys(store)
    assert keys is not None
    with pytest.raises(DownloadError, match=r"refuses \(NoSuchBucket\)") as error:
        object_store.fetch(name, "/no-bucket/x", tmp_path / "absent", service, keys)
    assert "hunter2" not in str(error.value)
    with pytest.raises(DownloadError, match=r"expected its path in the object store .* found ''"):
        object_store.fetch(name, "", tmp_path / "absent", service, keys)


def test_the_settings_of_another_cloud_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[default]\nregion = mars\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "of another cloud")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of another cloud")
    keys = credentials.Login(credentials.Secret("key"), credentials.Secret("secret"))
    client = object_store._client(Service(), keys)
    assert client.meta.endpoint_url == Service().s3
    assert client._request_signer._credentials.token is None


class Dripping(BaseHTTPRequestHandler):
    """An object store whose first answer is very slow."""

    content = bytes(40_000)
    answers = 0

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def do_GET(self) -> None:
        if "list-type=2" in self.path:
            entry = f"<Key>x.SAFE/a</Key><Size>{len(self.content)}</Size>"
            body = f"<ListBucketResult><Contents>{entry}</Contents></ListBucketResult>".encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)
            return
        self.do_HEAD()
        Dripping.answers += 1
        block = len(self.content) if Dripping.answers > 1 else 200
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(self.content), block):
                self.wfile.write(self.content[at : at + block])
                time.sleep(0.05)

    def log_message(self, *args: object) -> None:
        pass


def test_an_object_that_drips_is_fetched_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        service = Service(s3=f"http://127.0.0.1:{server.server_port}", pause_s=0.05, stall_s=0.5)
        keys = credentials.Login(credentials.Secret("key"), credentials.Secret("secret"))
        started = time.monotonic()
        object_store.fetch("x", "/eodata/x.SAFE", tmp_path / "x.SAFE", service, keys)
        # The first answer would take fifty seconds; a busy machine takes some for the second.
        assert time.monotonic() - started < 40
        server.shutdown()
    assert (tmp_path / "x.SAFE" / "a").read_bytes() == Dripping.content
    assert "the stream has stalled at" in caplog.text


def test_an_object_outside_the_product_is_refused() -> None:
    with pytest.raises(ProductError, match="points outside the product"):
        object_store._inside("../../etc/passwd", "/eodata/x")
