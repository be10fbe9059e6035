"""Warn of keys that lie where others may read them. A warning names the place and never the key."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from holdfast.routing.config import LOOPBACK
from holdfast.settings.reader import Section


def warn_of_key(
    section: Section, name: str, base_url: str | None, key: str | None, variable: str | None
) -> None:
    """Warn of a key that lies in the file, and of one that is sent unencrypted."""
    where = f"{section.origin}: the key of provider {name!r}"
    if key is not None and variable is None:
        section.found.warnings.append(
            f"{where} is written in the file: move it to an environment variable and write "
            'api_key = "${NAME_OF_THE_VARIABLE}"'
        )
        warn_of_mode(section)
    address = urlsplit(base_url or "")
    if (key or variable) and address.scheme == "http" and address.hostname not in LOOPBACK:
        section.found.warnings.append(f"{where} is sent unencrypted: its base_url is not https")


def warn_of_mode(section: Section) -> None:
    """Warn, once a file, that its mode lets other users of the machine at the key in it."""
    if os.name == "nt":  # there the mode says nothing of others
        return
    try:
        mode = Path(section.origin).stat().st_mode & 0o777
    except OSError:  # it was read a moment ago; whoever took it away took the key away
        return
    if not mode & 0o077:
        return
    from shlex import quote  # noqa: PLC0415 - only for a warning

    warning = (
        f"{section.origin}: holds a key and is open to other users of this machine (mode {mode:04o}): "
        f"run `chmod 600 {quote(section.origin)}`"
    )
    if warning not in section.found.warnings:
        section.found.warnings.append(warning)
