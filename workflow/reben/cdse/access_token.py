"""Bearer tokens of CDSE's identity service, renewed before they expire.

An access token lasts 10 minutes and a refresh token 60, less than some downloads.
"""

import logging
import re
import time
from typing import Any

import httpx

from reben.cdse.credentials import Login, Secret
from reben.cdse.retries import TransientError, check_status
from reben.cdse.service import Service
from reben.runtime.errors import DownloadError

log = logging.getLogger(__name__)

#: A token is renewed this long before it expires.
_MARGIN_S = 30
#: RFC 6750; anything else could inject headers and would be quoted in httpx's error.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class TokenSource:
    """An access token that is always valid."""

    def __init__(self, client: httpx.Client, service: Service, login: Login) -> None:
        self._client = client
        self._service = service
        self._login = login
        self._access: Secret | None = None
        self._refresh: Secret | None = None
        self._renew_at = 0.0

    def header(self) -> dict[str, str]:
        """The Authorization header, with a new token if the old one is about to expire.

        Raises:
            TransientError: the identity service is not available at the moment.
            DownloadError: it rejects the account.
        """
        if self._access is None or time.monotonic() > self._renew_at:
            self._renew()
        assert self._access is not None  # noqa: S101 - _renew sets it or raises
        return {"Authorization": f"Bearer {self._access.reveal()}"}

    def forget(self) -> None:
        """Drop the access token, which the server no longer accepts."""
        self._access = None

    def _renew(self) -> None:
        if self._refresh is not None:
            refresh, self._refresh = self._refresh, None
            response = self._post(grant_type="refresh_token", refresh_token=refresh.reveal())
            if response.is_success:
                return self._keep(response)
            log.info("the refresh token has expired; logging in again")
        response = self._post(
            grant_type="password",
            username=self._login.name.reveal(),
            password=self._login.secret.reveal(),
        )
        if response.status_code in (400, 401):
            raise DownloadError(
                f"{response.request.url.host} refuses the CDSE account "
                f"({response.status_code}); check CDSE_USERNAME and CDSE_PASSWORD or ~/.netrc, "
                "and log in once at dataspace.copernicus.eu to accept the terms"
            )
        check_status(response, "logging in to CDSE")
        return self._keep(response)

    def _post(self, **form: str) -> httpx.Response:
        # Not redirected: the password goes to the configured address or nowhere.
        return self._client.post(
            f"{self._service.identity}/token", data={"client_id": "cdse-public", **form}
        )

    def _keep(self, response: httpx.Response) -> None:
        try:
            answer: dict[str, Any] = response.json()
            access, lifetime_s = str(answer["access_token"]), float(answer["expires_in"])
        except (ValueError, KeyError, TypeError):
            raise TransientError("the identity service answered without a token") from None
        refresh = answer.get("refresh_token")
        if not _TOKEN.fullmatch(access):
            raise TransientError("the identity service answered with no usable token")
        self._access = Secret(access)
        self._refresh = Secret(refresh) if isinstance(refresh, str) else None
        self._renew_at = time.monotonic() + lifetime_s - min(_MARGIN_S, lifetime_s / 2)
