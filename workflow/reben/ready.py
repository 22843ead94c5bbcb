"""What a build needs beside its inputs, checked before the first job: sen2cor, and an account.

In: the config and the environment. Out: what is wrong, or None. Otherwise a build would find out
after it has fetched a hundred gigabytes.
"""

from typing import Any

from reben.runtime.errors import RebenError


def sen2cor_fault(config: dict[str, Any]) -> str | None:
    """What is wrong with sen2cor: it is not installed, or of another version."""
    from reben.sen2cor_version import check_version

    try:
        check_version(config["sen2cor"]["command"], config["sen2cor"]["version"])
    except RebenError as error:
        return str(error)
    return None


def account_fault() -> str | None:
    """What is wrong with the credentials of CDSE; it does not ask the service."""
    from reben.cdse import credentials  # planning needs it only where something is fetched
    from reben.cdse.service import Service

    try:
        service = Service.from_environment()
        if credentials.s3_keys(service.s3) is None:
            credentials.account(service.identity)
    except RebenError as error:
        return str(error)
    return None
