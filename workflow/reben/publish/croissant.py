"""A published folder in Croissant, a metadata format for machine learning tools.

Source: Croissant 1.0. Paths are relative to the folder.
"""

from datetime import datetime, time
from typing import Any

import mlcroissant as mlc

from reben.publish.forms import Form
from reben.results.facts import METADATA_TABLES, METHOD, Facts

#: The content and types of the columns of the metadata tables.
_FIELDS = {
    "patch_id": (mlc.DataType.TEXT, "name of the patch: tile, column, row; key in the LMDB"),
    "labels": (mlc.DataType.TEXT, "classes present in the patch's reference map"),
    "split": (mlc.DataType.TEXT, "train, validation or test"),
    "country": (mlc.DataType.TEXT, "nearest country"),
    "s1_name": (mlc.DataType.TEXT, "name of the Sentinel-1 patch of the same place"),
    "s2v1_name": (mlc.DataType.TEXT, "name of the patch in BigEarthNet v1"),
    "contains_seasonal_snow": (mlc.DataType.BOOL, "whether it holds seasonal snow"),
    "contains_cloud_or_shadow": (mlc.DataType.BOOL, "whether it holds cloud or cloud shadow"),
}


def describe(facts: Facts, form: Form) -> dict[str, Any]:
    """The Croissant description as JSON.

    Args:
        facts: facts about the dataset.
        form: where its images are.
    """
    described = mlc.Metadata(
        name=facts.identifier,
        description=f"{facts.summary} {facts.attribution}.",
        version=facts.version,
        license=[facts.licence_url],
        cite_as=facts.citation or METHOD,
        url=".",
        date_published=facts.published and datetime.combine(facts.published, time()),
        distribution=[
            mlc.FileObject(
                id=key,
                name=key,
                content_url=file,
                encoding_formats=["application/x-parquet"],
                sha256=facts.digests[file],
            )
            for key, file in METADATA_TABLES.items()
        ]
        + [
            mlc.FileObject(
                id=file.key,
                name=file.key,
                description=file.holds,
                content_url=file.path,
                encoding_formats=[file.media],
                sha256=file.sha256,
            )
            for file in form.files
        ],
        record_sets=[
            mlc.RecordSet(
                id=f"{key}_rows",
                name=f"{key}_rows",
                description=f"{count:,} patches",
                fields=[_field(key, column) for column in _FIELDS],
            )
            for key, count in zip(
                METADATA_TABLES, (facts.clear, facts.patches - facts.clear), strict=True
            )
        ],
    )
    value: dict[str, Any] = described.to_json()
    return value


def _field(table: str, column: str) -> mlc.Field:
    data_type, holds = _FIELDS[column]
    return mlc.Field(
        id=f"{table}_rows/{column}",
        name=column,
        description=holds,
        data_types=[data_type],
        repeated=column == "labels" or None,
        source=mlc.Source(file_object=table, extract=mlc.Extract(column=column)),
    )
