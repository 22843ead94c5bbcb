"""Addresses of the Copernicus Data Space (CDSE), and how long to wait for it.

The addresses are CDSE's own unless the environment names others (a mirror, or the
stand-in of the tests). Those may hold a password (``https://user:password@host``), so only what
`public` gives is written anywhere.
"""

import os
from dataclasses import dataclass
from typing import Self

import httpx

from reben.runtime.errors import ConfigError


@dataclass(frozen=True, repr=False)
class Service:
    """Addresses and limits, each with the environment variable that sets it.

    Attributes:
        catalogue: OData service root (REBEN_CDSE_CATALOGUE).
        download: root of the archives (REBEN_CDSE_DOWNLOAD).
        identity: root of the OpenID endpoints (REBEN_CDSE_IDENTITY).
        s3: object store (REBEN_CDSE_S3).
        pause_s: first pause before a retry, doubled each time (REBEN_CDSE_PAUSE_S).
        stall_s: a stream that is too slow (`reben.cdse.retries`) over this time is cut
            (REBEN_CDSE_STALL_S).
        patience_s: give up after this time without a new byte (REBEN_CDSE_PATIENCE_S).
    """

    catalogue: str = "https://catalogue.dataspace.copernicus.eu/odata/v1"
    download: str = "https://zipper.dataspace.copernicus.eu/odata/v1"
    identity: str = (
        "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect"
    )
    s3: str = "https://eodata.dataspace.copernicus.eu"
    pause_s: float = 5
    stall_s: float = 60
    patience_s: float = 12 * 3600

    def __repr__(self) -> str:
        addresses = (self.catalogue, self.download, self.identity, self.s3)
        return f"Service({', '.join(map(public, addresses))})"

    @classmethod
    def from_environment(cls) -> Self:
        """The service as the environment sets it.

        Raises:
            ConfigError: an address is invalid, or a time is not a positive number.
        """
        return cls(
            catalogue=_address("CATALOGUE", cls.catalogue),
            download=_address("DOWNLOAD", cls.download),
            identity=_address("IDENTITY", cls.identity),
            s3=_address("S3", cls.s3),
            pause_s=_seconds("PAUSE_S", cls.pause_s),
            stall_s=_seconds("STALL_S", cls.stall_s),
            patience_s=_seconds("PATIENCE_S", cls.patience_s),
        )

    def client(self) -> httpx.Client:
        """An HTTP client that does not follow redirects and waits at most `stall_s`.

        It uses the proxy set in the environment (``HTTPS_PROXY``).

        Raises:
            ConfigError: the environment's proxy or certificates cannot be used.
        """
        try:
            return httpx.Client(timeout=self.stall_s, follow_redirects=False)
        except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
            # The proxy's address may contain a password, so it is not quoted.
            raise ConfigError(
                "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, SSL_CERT_FILE or SSL_CERT_DIR cannot be "
                f"used ({type(error).__name__}); expected a proxy like http://HOST:PORT, and "
                "certificates that exist"
            ) from None


def _address(name: str, default: str) -> str:
    text = os.environ.get(f"REBEN_CDSE_{name}", default).rstrip("/")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        shown = repr(text)
        if not _is_harmless(text):
            shown = (
                f"{url.host!r}, not of http" if url.host else "not shown, as it may hold secrets"
            )
        raise ConfigError(f"REBEN_CDSE_{name} is {shown}; expected an address like {default}")
    return text


def _is_harmless(text: str) -> bool:
    """Whether a text has no place for a user, a password or a token."""
    return not set(text) & set("@?&#%")


def public(address: str | httpx.URL, *, query: bool = False) -> str:
    """An address fit for messages and records: without user and password.

    Args:
        address: any text.
        query: leave its query and fragment; those of an address that the user gave may hold
            a token.
    """
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        return "an address that is none"
    url = url.copy_with(userinfo=b"")
    return str(url if query else url.copy_with(query=None, fragment=None))


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(f"REBEN_CDSE_{name}", str(default))
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not value > 0:
        raise ConfigError(f"REBEN_CDSE_{name} is {text!r}; expected seconds above 0")
    return value
