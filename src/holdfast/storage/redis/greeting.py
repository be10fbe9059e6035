"""Look at the server and at the store before the first request."""

from __future__ import annotations

import logging

from holdfast.storage.redis import errors
from holdfast.storage.redis.address import Address
from holdfast.storage.redis.driver import LINK_ERRORS
from holdfast.storage.redis.driver import exceptions as driver
from holdfast.storage.redis.durability import is_too_old, losses, read_settings, warning
from holdfast.storage.redis.link import Link
from holdfast.storage.redis.scripts import OPEN
from holdfast.storage.seam import Ack

FORMAT = 2

_log = logging.getLogger("holdfast.storage")

_OPTIONS = (b"appendonly", b"appendfsync", b"no-appendfsync-on-rewrite", b"maxmemory-policy")


async def greet(link: Link, address: Address, ack: Ack) -> None:
    """Connect, refuse a server or a store that cannot be used, and warn of what it may lose.

    Raises:
        HoldfastError: the server cannot be reached or used, or the store is not ours or too new.
    """
    try:
        await link.connect()
        await _check_server(link, address, ack)
        await _check_format(link, address)
    except driver.ResponseError as error:
        raise errors.refused(error, address) from error
    except LINK_ERRORS as error:
        raise errors.cannot_reach(error, address) from error


async def _check_server(link: Link, address: Address, ack: Ack) -> None:
    replies = await link.call((b"INFO",), (b"CONFIG", b"GET", *_OPTIONS))
    # Hosted servers forbid one or both.
    info, config = (None if isinstance(each, driver.ResponseError) else each for each in replies)
    settings = read_settings(info, config)
    if settings.cluster:
        raise errors.is_cluster(address)
    if is_too_old(settings):
        raise errors.is_too_old(address, settings.version)
    if found := losses(settings, ack):
        _log.warning("%s", warning(address, found))


async def _check_format(link: Link, address: Address) -> None:
    prefix = f"{address.prefix}:".encode()
    (reply,) = await link.call((b"EVALSHA", OPEN.digest, b"0", prefix, b"%d" % FORMAT))
    if isinstance(reply, driver.ResponseError):
        raise reply
    if reply is None:
        raise errors.without_format(address)
    if not reply.isdigit():
        raise errors.foreign(address)
    if int(reply) > FORMAT:
        raise errors.too_new(address, int(reply), FORMAT)
