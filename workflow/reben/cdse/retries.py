"""Decide when to retry a failed request, and when to give up.

Pauses grow from try to try and become short again with every megabyte received, so it waits
long for a service that is down and little for one that often breaks the connection.
"""

import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar

import httpx
import tenacity

from reben.cdse.service import Service
from reben.runtime.errors import DownloadError

log = logging.getLogger(__name__)
_T = TypeVar("_T")

#: Bytes a second below which a stream counts as stalled (a tile would take a day).
_MIN_RATE = 10_000
#: Bytes after which patience is reset.
_PROGRESS = 1 << 20
#: Longest pause between two tries, seconds.
_MAX_PAUSE_S = 300
#: Longest pause that the server may ask for, seconds.
_MAX_ASKED_S = 3600
#: Status codes below 500 that are worth a retry; from 500, all are. Logins and catalogues
#: that redirect temporarily (302 …) are under maintenance.
_TRANSIENT = {302, 303, 307, 408, 423, 425, 429}


class TransientError(Exception):
    """A failure that may not recur on the next try.

    Attributes:
        retry_after_s: pause that the server asked for, or 0.
    """

    def __init__(self, message: str, retry_after_s: float = 0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Patience:
    """Growing pauses between tries, with a limit."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.progress()

    def progress(self) -> None:
        """Note that new data has arrived: the next pause is the shortest again."""
        self._failures = 0
        self._since = time.monotonic()

    def run(self, what: str, once: Callable[[], _T]) -> _T:
        """Call `once` until it succeeds or fails permanently; return its result.

        Args:
            what: description of the action, for the log and the error.
            once: one try; raises `TransientError` or an httpx transport error to be
                retried.

        Raises:
            DownloadError: patience has run out.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((TransientError, httpx.TransportError)),
            wait=self._wait,
            stop=lambda _: time.monotonic() - self._since > self._service.patience_s,
            before_sleep=lambda state: log.warning(
                "%s: %s; next try in %.1f s", what, _reason(state.outcome), state.upcoming_sleep
            ),
        )
        try:
            return retrying(once)
        except tenacity.RetryError as error:
            raise DownloadError(
                f"{what}: given up after {self._service.patience_s / 60:.0f} min without any "
                f"progress; the last answer was: {_reason(error.last_attempt)}. Received data "
                "is kept: run the same command again once this machine can reach the service"
            ) from None

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, TransientError) else 0
        pause = self._service.pause_s * 2.0 ** min(self._failures, 20)
        self._failures += 1
        # Jitter, so that jobs that failed together do not retry together.
        return max(asked, min(_MAX_PAUSE_S, pause) * random.uniform(0.5, 1))  # noqa: S311


class Pace:
    """Monitors whether a stream is fast enough."""

    def __init__(self, service: Service, patience: Patience) -> None:
        self._stall_s = service.stall_s
        self._patience = patience
        self._started, self._arrived, self._fresh = time.monotonic(), 0, 0

    def note(self, count: int) -> None:
        """Count `count` received bytes.

        Raises:
            TransientError: they arrive so slowly that a new try is better.
        """
        self._arrived += count
        self._fresh += count
        if self._fresh >= _PROGRESS:
            self._patience.progress()
            self._fresh = 0
        if (elapsed := time.monotonic() - self._started) > self._stall_s:
            if self._arrived < _MIN_RATE * elapsed:
                raise TransientError(
                    f"the stream has stalled at {self._arrived / elapsed:.0f} bytes/s"
                )
            self._started, self._arrived = time.monotonic(), 0


def _reason(outcome: tenacity.Future | None) -> str:
    error = outcome.exception() if outcome else None
    return str(error) or type(error).__name__


def check_status(response: httpx.Response, what: str) -> None:
    """Accept answers of 2xx and raise for all others.

    The body is never quoted: it may repeat the request.

    Raises:
        TransientError: the answer may differ on the next try (429, 5xx …).
        DownloadError: the error is permanent (404, 403 …).
    """
    if response.is_success:
        return
    try:
        phrase = HTTPStatus(response.status_code).phrase
    except ValueError:
        phrase = "unknown status"
    found = f"{response.status_code} {phrase} from {response.request.url.host}"
    if response.status_code in _TRANSIENT or response.is_server_error:
        raise TransientError(found, _retry_after_s(response))
    raise DownloadError(f"{what}: expected the answer 200 OK, found {found}. {_advice(response)}")


def _retry_after_s(response: httpx.Response) -> float:
    """The pause that a server asks for, in seconds or until a date (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After", "")
    try:
        asked = float(text)
    except ValueError:
        try:
            asked = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0
    return min(_MAX_ASKED_S, asked) if asked > 0 else 0


def _advice(response: httpx.Response) -> str:
    return {
        401: "Check your CDSE user name and password",
        403: "Your CDSE account is not allowed to fetch this; check it at dataspace.copernicus.eu",
        404: "CDSE does not have it (any more): run `make products` for the current id",
    }.get(response.status_code, "Check the address and the product table")
