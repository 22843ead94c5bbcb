"""When a failed request is tried again, and when it is given up.

Pauses grow from try to try and start small again with every byte that arrives, so a
service that is down for a while costs patience and a service that breaks off often
costs little.
"""

import logging
import random
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import httpx
import tenacity

from reben.cdse.service import Service
from reben.errors import DownloadError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

#: Longest pause between two tries, seconds.
_MAX_PAUSE_S = 300
#: Answers that may be different on the next try.
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class TransientError(Exception):
    """A failure that may be gone on the next try.

    Attributes:
        retry_after_s: the pause that the server asked for, or 0.
    """

    def __init__(self, message: str, retry_after_s: float = 0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Patience:
    """Growing pauses between tries, and an end to them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.progress()

    def progress(self) -> None:
        """Note that something new has arrived: the next pause is the shortest again."""
        self._failures = 0
        self._since = time.monotonic()

    def run(self, what: str, once: Callable[[], _T]) -> _T:
        """The result of `once`, tried until it raises nothing that may pass.

        Args:
            what: what is being done, for the log and the error.
            once: one try; raises `TransientError` or an httpx transport error to be
                called again.

        Raises:
            DownloadError: patience has run out.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((TransientError, httpx.TransportError)),
            wait=self._wait,
            stop=lambda _: time.monotonic() - self._since > self._service.patience_s,
            before_sleep=lambda state: _log.warning(
                "%s: %s; next try in %.1f s", what, _reason(state), state.upcoming_sleep
            ),
        )
        try:
            return retrying(once)
        except tenacity.RetryError as error:
            raise DownloadError(
                f"{what}: given up after {self._service.patience_s / 60:.0f} min without any "
                f"progress; the last answer was: {error.last_attempt.exception()}. What has "
                "arrived is kept: run the same command again once the service is back"
            ) from None

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, TransientError) else 0
        pause = self._service.pause_s * 2.0 ** min(self._failures, 20)
        self._failures += 1
        # Jitter, so that jobs that failed together do not come back together.
        return min(_MAX_PAUSE_S, max(asked, pause * random.uniform(0.5, 1)))  # noqa: S311


def _reason(state: tenacity.RetryCallState) -> str:
    error = state.outcome.exception() if state.outcome else None
    return str(error) or type(error).__name__


def check_status(response: httpx.Response, what: str) -> None:
    """Let answers of 2xx pass and sort the others.

    The body is never quoted: it may repeat what was sent.

    Raises:
        TransientError: the answer may be another on the next try (429, 5xx …).
        DownloadError: it will not (404, 403 …).
    """
    if response.is_success:
        return
    try:
        phrase = HTTPStatus(response.status_code).phrase
    except ValueError:
        phrase = "unknown status"
    found = f"{response.status_code} {phrase} from {response.request.url.host}"
    if response.status_code in _TRANSIENT:
        asked = response.headers.get("Retry-After", "")
        raise TransientError(found, float(asked) if asked.isdigit() else 0)
    raise DownloadError(f"{what}: expected an answer of 200 OK, found {found}. {_advice(response)}")


def _advice(response: httpx.Response) -> str:
    return {
        401: "Check your CDSE user name and password",
        403: "Your CDSE account may not fetch this; check it at dataspace.copernicus.eu",
        404: "CDSE does not have it (any more): run `make products` for the current id",
    }.get(response.status_code, "Check the address and the product table")
