"""The user's CDSE credentials, from environment variables or a netrc file only.

A `Secret` never appears in a log line, traceback or ``repr``; its value is read only where
it is sent.
"""

import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reben.runtime.errors import ConfigError


class Secret:
    """A text that is never displayed."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text. Never keep it in a variable longer than the call that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written to disk")


@dataclass(frozen=True)
class Login:
    """A name and its secret: an account, or an access key of the object store."""

    name: Secret
    secret: Secret


def account(identity_url: str, environment: Mapping[str, str] = os.environ) -> Login:
    """The CDSE account, from CDSE_USERNAME and CDSE_PASSWORD, else from netrc.

    Args:
        identity_url: address of the service; its host is looked up in netrc.
        environment: the environment variables.

    Raises:
        ConfigError: there is none, or only half of it.
    """
    host = urlsplit(identity_url).hostname or ""
    found = _from_environment("CDSE_USERNAME", "CDSE_PASSWORD", environment)
    found = found or _from_netrc(host, environment)
    if found is None:
        raise ConfigError(
            "no CDSE account found: set CDSE_USERNAME and CDSE_PASSWORD, or put "
            f"`machine {host} login NAME password PASSWORD` into ~/.netrc. "
            "Registration is free at dataspace.copernicus.eu"
        )
    return found


def s3_keys(s3_url: str, environment: Mapping[str, str] = os.environ) -> Login | None:
    """The keys of the object store, from CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY, or netrc.

    Returns:
        The keys, or None if there are none: archives are then fetched over HTTPS.

    Raises:
        ConfigError: only one of the two is set, or netrc is unreadable.
    """
    found = _from_environment("CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY", environment)
    return found or _from_netrc(urlsplit(s3_url).hostname or "", environment)


def _from_environment(name: str, secret: str, environment: Mapping[str, str]) -> Login | None:
    values = [environment.get(variable, "") for variable in (name, secret)]
    if not any(values):
        return None
    if not all(values):
        missing = name if values[1] else secret
        raise ConfigError(f"{name} and {secret} belong together, but {missing} is not set")
    for variable, value in zip((name, secret), values, strict=True):
        # Libraries quote headers that they reject.
        if any(ord(character) < 32 for character in value):
            raise ConfigError(f"{variable} holds a line break or another control character")
    return Login(Secret(values[0]), Secret(values[1]))


def _from_netrc(host: str, environment: Mapping[str, str]) -> Login | None:
    path = Path(environment.get("NETRC") or Path("~/.netrc").expanduser())
    if not path.is_file():
        return None
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ConfigError(f"{path}: others can read it; run `chmod 600 {path}`")
    try:
        entry = netrc.netrc(str(path)).hosts.get(host)
    except (netrc.NetrcParseError, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", None)
        # The parser's own message quotes the token where it failed, possibly a password.
        raise ConfigError(f"{path}: not a valid netrc file near line {line}") from None
    if entry is None or not entry[0] or not entry[2]:
        return None
    return Login(Secret(entry[0]), Secret(entry[2]))
