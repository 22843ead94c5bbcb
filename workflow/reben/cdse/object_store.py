"""Products from CDSE's S3 object store, file by file.

The store holds the unpacked product, so there is no archive to check; the caller checks
every file against the manifest. A complete file is not fetched again.
"""

import os
from pathlib import Path, PurePosixPath
from typing import Any

import boto3
import boto3.exceptions
import botocore.config
import botocore.exceptions
import botocore.session
from boto3.s3.transfer import TransferConfig
from botocore.utils import is_valid_endpoint_url

from reben.cdse.credentials import Login
from reben.cdse.retries import Pace, Patience, TransientError
from reben.cdse.service import Service, public
from reben.runtime.errors import ConfigError, DownloadError, ProductError
from reben.runtime.files import atomic_file

#: Error codes of requests that will never succeed.
_FINAL = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket", "403"}


def fetch(name: str, s3_path: str, folder: Path, service: Service, keys: Login) -> None:
    """Fetch a product's files into `folder`; existing files are kept.

    Args:
        name: product name, for messages.
        s3_path: ``/bucket/key/of/product.SAFE`` from the catalogue.
        folder: becomes the ``.SAFE``.
        service: addresses of CDSE.
        keys: access key and its secret.

    Raises:
        ConfigError: its address is none.
        DownloadError: the store refuses, or holds no such product.
        ProductError: an object's key points outside the product.
    """
    bucket, _, prefix = s3_path.strip("/").partition("/")
    if not prefix:
        raise DownloadError(
            f"{name}: expected its path in the object store as /eodata/…, found {s3_path!r} in "
            "the catalogue; unset the S3 keys to fetch it over HTTPS"
        )
    prefix += "/"
    client = _client(service, keys)
    patience = Patience(service)

    def once() -> int:
        try:
            objects = list(_objects(client, bucket, prefix))
            for key, size in objects:
                target = folder.joinpath(*_inside(key.removeprefix(prefix), s3_path).parts)
                if target.is_file() and target.stat().st_size == size:
                    continue
                with atomic_file(target) as part:
                    pace = Pace(service, patience)
                    client.download_file(
                        bucket, key, os.fspath(part), Config=_ONE_STREAM, Callback=pace.note
                    )
                    if part.stat().st_size != size:
                        raise TransientError(
                            f"{key}: expected {size} bytes, found {part.stat().st_size}"
                        )
        except botocore.exceptions.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _FINAL:
                raise DownloadError(
                    f"{name}: {public(service.s3)} refuses ({code}); check CDSE_S3_ACCESS_KEY and "
                    "CDSE_S3_SECRET_KEY, which end after the time set in the CDSE dashboard"
                ) from None
            raise TransientError(f"the object store answered {code or 'with an error'}") from None
        except (botocore.exceptions.BotoCoreError, boto3.exceptions.Boto3Error) as error:
            raise TransientError(type(error).__name__) from None
        return len(objects)

    if patience.run(f"fetching {name}", once) == 0:
        raise DownloadError(
            f"{name}: expected the product at {s3_path} of {public(service.s3)}, found nothing "
            "there; run `make products` for its present path"
        )


#: One connection per job, so that the workflow's `cdse` resource counts them all; small blocks,
#: so that a slow stream is noticed.
_ONE_STREAM = TransferConfig(use_threads=False, io_chunksize=1 << 14)


def _client(service: Service, keys: Login) -> Any:
    if not is_valid_endpoint_url(service.s3):  # botocore's own error quotes it with its password
        raise ConfigError(
            f"REBEN_CDSE_S3 names {public(service.s3)}, which is no address of an object store"
        )
    # What this machine's user has set for another cloud (AWS_PROFILE, ~/.aws) is none of ours.
    unset, nowhere = (None, None, None, None), (None, None, os.devnull, None)
    session = botocore.session.Session(
        session_vars={"profile": unset, "config_file": nowhere, "credentials_file": nowhere}
    )
    return boto3.Session(botocore_session=session).client(
        "s3",
        endpoint_url=service.s3,
        region_name="default",
        aws_access_key_id=keys.name.reveal(),
        aws_secret_access_key=keys.secret.reveal(),
        config=botocore.config.Config(
            connect_timeout=service.stall_s,
            read_timeout=service.stall_s,
            retries={"max_attempts": 1, "mode": "standard"},
            s3={"addressing_style": "path"},
            # CDSE's store does not support the newer default checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _objects(client: Any, bucket: str, prefix: str) -> list[tuple[str, int]]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [
        (item["Key"], int(item["Size"]))
        for page in pages
        for item in page.get("Contents", [])
        if not item["Key"].endswith("/")
    ]


def _inside(key: str, s3_path: str) -> PurePosixPath:
    path = PurePosixPath(key)
    if path.is_absolute() or ".." in path.parts or "\\" in key or not path.parts:
        raise ProductError(f"{s3_path}: refused: object {key!r} points outside the product")
    return path
