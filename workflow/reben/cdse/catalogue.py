"""CDSE's OData catalogue: products with their ids, sizes and checksums.

Needs no credentials. Source: CDSE documentation, "OData"; recorded answers.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Self

import httpx

from reben.cdse.retries import Patience, TransientError, check_status
from reben.cdse.service import Service, public
from reben.config.product_table import Product
from reben.domain.names import ProductName, is_product_name
from reben.runtime.errors import DownloadError

log = logging.getLogger(__name__)

#: Results per page; CDSE allows 1000.
_PAGE = 200
#: Checksums that this project can compute, best first.
_ALGORITHMS = ("BLAKE3", "MD5")


@dataclass(frozen=True)
class Entry:
    """One product as the catalogue describes it.

    Attributes:
        name: product name without ``.SAFE``.
        id: CDSE product id.
        size: size of the archive in bytes; 0 if the catalogue does not state it.
        checksum: ``algorithm:hexdigest`` of the archive, or empty.
        s3_path: folder in the object store.
        published: time of publication, ISO 8601.
        online: whether it can be fetched now.
        footprint: what it shows of the ground, as GeoJSON; None where the catalogue does not say.
    """

    name: str
    id: str
    size: int
    checksum: str
    s3_path: str
    published: str
    online: bool
    footprint: Any = field(default=None, compare=False)

    @classmethod
    def parse(cls, value: dict[str, Any]) -> Self:
        """Parse an element of the catalogue's answer.

        Raises:
            DownloadError: it is not in the documented form.
        """
        try:
            sums = {
                str(item.get("Algorithm")).upper(): str(item["Value"]).lower()
                for item in value.get("Checksum") or []
                if isinstance(item, dict) and item.get("Value")
            }
            checksum = next((f"{a.lower()}:{sums[a]}" for a in _ALGORITHMS if a in sums), "")
            return cls(
                name=str(value["Name"]).removesuffix(".SAFE"),
                id=str(value["Id"]).lower(),
                size=int(value["ContentLength"] or 0),
                checksum=checksum,
                s3_path=str(value.get("S3Path") or ""),
                published=str(value.get("PublicationDate") or ""),
                online=bool(value.get("Online", True)),
                footprint=value.get("GeoFootprint"),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DownloadError(
                f"the catalogue describes a product in an unknown form ({error!r}); expected "
                "Name, Id, ContentLength, Checksum and S3Path"
            ) from error

    @property
    def content(self) -> tuple[int, str]:
        """Size and checksum of the archive."""
        return self.size, self.checksum

    def to_product(self) -> Product:
        """The row of the product table."""
        return Product(
            product=self.name,
            level=ProductName.parse(self.name).level,
            source="cdse",
            id=self.id,
            size=str(self.size) if self.size else "",
            checksum=self.checksum,
            s3_path=self.s3_path,
        )


class Catalogue:
    """Queries to the catalogue, with retries."""

    def __init__(self, client: httpx.Client, service: Service) -> None:
        self._client = client
        self._service = service
        self._root = f"{service.catalogue}/Products"

    def by_id(self, product_id: str) -> Entry:
        """The product with an id.

        Raises:
            DownloadError: there is none, or the catalogue is not working.
        """
        return Entry.parse(self._get(f"{self._root}({product_id})", {}, product_id))

    def by_name(self, name: str) -> list[Entry]:
        """All products with a name, given with or without processing time and ``.SAFE``.

        Raises:
            ProductError: it is not a product name.
            DownloadError: the catalogue is not working.
        """
        parsed = ProductName.parse(name)
        name = name.removesuffix(".SAFE")
        # A parsed name contains no quote, so it cannot end the string in the filter.
        question = f"Name eq '{name}.SAFE'" if parsed.processing else f"startswith(Name,'{name}_')"
        return list(self._pages(f"Collection/Name eq 'SENTINEL-2' and {question}", name))

    def by_observation(self, name: str) -> list[Entry]:
        """All processings of the observation that a product name tells of, of the same level.

        Raises:
            ProductError: it is not a product name.
            DownloadError: the catalogue is not working.
        """
        parsed = ProductName.parse(name)
        question = (
            f"startswith(Name,'{parsed.mission}_MSI{parsed.level}_{parsed.sensing}_')"
            f" and contains(Name,'_{parsed.orbit}_T{parsed.mgrs}_')"
        )
        entries = self._pages(f"Collection/Name eq 'SENTINEL-2' and {question}", name)
        return [
            entry
            for entry in entries
            if (other := ProductName.parse(entry.name)).observation == parsed.observation
            and other.level == parsed.level
        ]

    def search(
        self, wkt: str, start: date, end: date, level: str, max_cloud_cover: float
    ) -> Iterator[Entry]:
        """All products over an area and time.

        Args:
            wkt: polygon in longitude and latitude.
            start: first day of sensing.
            end: last day of sensing.
            level: ``L1C`` or ``L2A``.
            max_cloud_cover: limit on the product's own estimate, percent.

        Raises:
            DownloadError: the catalogue is out of order.
        """
        text = "Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'productType' and "
        double = "Attributes/OData.CSC.DoubleAttribute/any(att:att/Name eq 'cloudCover' and "
        return self._pages(
            "Collection/Name eq 'SENTINEL-2'"
            f" and OData.CSC.Intersects(area=geography'SRID=4326;{wkt}')"
            f" and {text}att/OData.CSC.StringAttribute/Value eq 'S2MSI{level[1:]}')"
            f" and {double}att/OData.CSC.DoubleAttribute/Value le {max_cloud_cover:.2f})"
            f" and ContentDate/Start ge {start.isoformat()}T00:00:00.000Z"
            f" and ContentDate/Start lt {(end + timedelta(days=1)).isoformat()}T00:00:00.000Z",
            "the search",
        )

    def _pages(self, question: str, what: str) -> Iterator[Entry]:
        url: str | None = self._root
        asked: set[str] = set()
        parameters = {
            "$filter": question,
            "$orderby": "ContentDate/Start asc",
            "$top": str(_PAGE),
        }
        while url is not None:
            answer = self._get(url, parameters, what)
            values = answer.get("value")
            if not isinstance(values, list):
                raise DownloadError(
                    f"{public(self._service.catalogue)}: expected a list of products for {what}, "
                    f"found the keys {sorted(answer)}"
                )
            for entry in map(Entry.parse, values):
                if is_product_name(entry.name):
                    yield entry
                else:  # such as the S2A_OPER_PRD_… of 2015 and 2016, with many tiles each
                    log.warning("%s: skipped, its name has another form", entry.name)
            asked.add(url)
            link, parameters = answer.get("@odata.nextLink"), {}
            url = None if link is None else str(link)
            if url is not None and "?" in url and public(url) == public(self._root):
                # With the user of the address, which a server does not repeat.
                url = f"{self._root}?{url.partition('?')[2]}"
            if url is not None and (url in asked or not url.startswith(f"{self._root}?")):
                raise DownloadError(
                    f"{public(self._root)}: expected its next page there, found "
                    f"{public(url, query=True)}; try "
                    "again later"
                )

    def _get(self, url: str, parameters: dict[str, str], what: str) -> dict[str, Any]:
        def once() -> dict[str, Any]:
            response = self._client.get(url, params=parameters or None)
            check_status(response, f"asking the catalogue for {what}")
            try:
                answer = response.json()
            except ValueError:
                raise TransientError("the catalogue's answer is not JSON") from None
            if not isinstance(answer, dict):
                raise TransientError("the catalogue's answer is not a JSON object")
            return answer

        return Patience(self._service).run(f"asking the catalogue for {what}", once)
