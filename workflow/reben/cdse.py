"""Where the Copernicus Data Space (CDSE) is, and how long to be patient with it.

The addresses are CDSE's own unless the environment names others (a mirror, or the
stand-in of the tests).
"""

import os
from dataclasses import dataclass
from typing import Self

import httpx

from reben.errors import ConfigError


@dataclass(frozen=True)
class Service:
    """Addresses and limits; the variable that sets each is named behind it.

    Attributes:
        catalogue: OData service root (REBEN_CDSE_CATALOGUE).
        download: root of the archives (REBEN_CDSE_DOWNLOAD).
        token: OpenID token endpoint (REBEN_CDSE_TOKEN).
        s3: object store (REBEN_CDSE_S3).
        pause_s: first pause before a retry, doubled each time (REBEN_CDSE_PAUSE_S).
        stall_s: a stream that brings too little (`reben.download`) over this time is cut
            (REBEN_CDSE_STALL_S).
        patience_s: give up after this time without a new byte (REBEN_CDSE_PATIENCE_S).
    """

    catalogue: str = "https://catalogue.dataspace.copernicus.eu/odata/v1"
    download: str = "https://zipper.dataspace.copernicus.eu/odata/v1"
    token: str = (
        "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token"
    )
    s3: str = "https://eodata.dataspace.copernicus.eu"
    pause_s: float = 5
    stall_s: float = 60
    patience_s: float = 2 * 3600

    @classmethod
    def from_environment(cls) -> Self:
        """The service as the environment sets it.

        Raises:
            ConfigError: a time is no positive number.
        """
        given = {
            name: value
            for name in cls.__dataclass_fields__
            if (value := os.environ.get(f"REBEN_CDSE_{name.upper()}"))
        }
        times = {}
        for name in ("pause_s", "stall_s", "patience_s"):
            if name in given:
                text = given.pop(name)
                try:
                    times[name] = float(text)
                except ValueError:
                    times[name] = -1
                if not times[name] > 0:
                    raise ConfigError(
                        f"REBEN_CDSE_{name.upper()} is {text!r}; expected seconds above 0"
                    )
        return cls(**{name: url.rstrip("/") for name, url in given.items()}, **times)

    def client(self) -> httpx.Client:
        """An HTTP client that follows no redirect by itself and waits `stall_s` at most."""
        return httpx.Client(timeout=self.stall_s, follow_redirects=False)
