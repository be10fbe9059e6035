"""Fetch a page over HTTP. Addresses inside the machine or its network are refused by default."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, cast
from urllib.parse import urljoin, urlsplit

from holdfast.agents.signatures import ToolSignature
from holdfast.agents.tools.seam import Arguments, Tool, ToolContext
from holdfast.agents.types import Type, parse_type
from holdfast.agents.workflow import Field
from holdfast.errors import ToolError
from holdfast.tracing.propagation import current, headers_of

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

MAX_BYTES = 8 * 1024 * 1024
MAX_REDIRECTS = 5
TIMEOUT_SECONDS = 30.0


async def _http_get(arguments: Arguments, context: ToolContext) -> object:
    import aiohttp  # noqa: PLC0415 - a workflow without this tool does not pay for it

    url = cast("str", arguments["url"])
    headers = cast("dict[str, str]", arguments["headers"])
    connector = aiohttp.TCPConnector(resolver=_guarded_resolver(context))
    limit = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=limit) as session:
            return await _follow(session, url, headers, context)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ToolError(f"{url} cannot be fetched: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return why an address cannot be fetched, without what only aiohttp understands."""
    import aiohttp  # noqa: PLC0415

    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate cannot be trusted: {error.certificate_error}"
        case aiohttp.ClientConnectorError():
            return error.os_error.strerror or str(error.os_error)
        case TimeoutError():
            return f"no answer within {TIMEOUT_SECONDS:g} seconds"
        case _:
            return str(error) or type(error).__name__


async def _follow(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str], context: ToolContext
) -> dict[str, object]:
    for _ in range(MAX_REDIRECTS + 1):
        _check_url(url, context)
        sent = _told(url, headers, context)
        async with session.get(url, headers=sent, allow_redirects=False) as response:
            target = response.headers.get("Location")
            if response.status in (301, 302, 303, 307, 308) and target:
                following = urljoin(url, target)
                if urlsplit(following).netloc != urlsplit(url).netloc:
                    headers = {}  # what was meant for one host is not told another
                url = following
                continue
            return await _read(response, url)
    raise ToolError(f"{url} redirects more than {MAX_REDIRECTS} times")


def _told(url: str, headers: dict[str, str], context: ToolContext) -> dict[str, str]:
    """Return the headers of one request: hosts of ours learn of which trace it is, others do not.

    The id of a run is nobody else's business, and baggage may name a user. What the workflow itself
    says stays.
    """
    parts = urlsplit(url)
    port = parts.port or {"https": 443}.get(parts.scheme, 80)
    is_ours = parts.hostname in context.hosts or f"{parts.hostname}:{port}" in context.hosts
    if not is_ours or any(name.lower() == "traceparent" for name in headers):
        return headers
    return {**headers_of(current()), **headers}


async def _read(response: aiohttp.ClientResponse, url: str) -> dict[str, object]:
    if response.status >= 400:
        raise ToolError(f"{url} answered {response.status} {response.reason}")
    body = await response.content.read(MAX_BYTES + 1)
    while len(body) <= MAX_BYTES and (more := await response.content.read(MAX_BYTES)):
        body += more
    if len(body) > MAX_BYTES:
        raise ToolError(f"{url} is larger than {MAX_BYTES} bytes")
    try:
        text = body.decode(response.charset or "utf-8", errors="replace")
    except LookupError:
        text = body.decode(errors="replace")
    return {"url": url, "status": response.status, "type": response.content_type, "text": text}


def _check_url(url: str, context: ToolContext) -> None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ToolError(f"{url!r} is not an address: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ToolError(f"{url!r} is not an http or https address")
    if f"{host}:{port}" in context.hosts or host in context.hosts:
        return
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return  # a name: the resolver checks what it stands for
    _refuse_private(str(address), host)


def _refuse_private(address: str, host: str) -> None:
    if not ipaddress.ip_address(address.partition("%")[0]).is_global:
        raise ToolError(
            f"{host} is inside this machine or its network",
            hint=f'allow it with hosts = ["{host}"] under [tools] in holdfast.toml',
        )


def _guarded_resolver(context: ToolContext) -> AbstractResolver:
    """Return a resolver that refuses names which stand for private addresses."""
    from aiohttp.abc import AbstractResolver, ResolveResult  # noqa: PLC0415
    from aiohttp.resolver import ThreadedResolver  # noqa: PLC0415

    class Guarded(AbstractResolver):
        def __init__(self) -> None:
            self._inner = ThreadedResolver()

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            found = await self._inner.resolve(host, port, family)
            if host not in context.hosts and f"{host}:{port}" not in context.hosts:
                for each in found:
                    _refuse_private(each["host"], host)
            return found

        async def close(self) -> None:
            await self._inner.close()

    return Guarded()


_PAGE = Type(
    kind="object",
    fields={
        "url": parse_type("str"),
        "status": parse_type("int"),
        "type": parse_type("str"),
        "text": parse_type("str"),
    },
)

HTTP_GET = Tool(
    signature=ToolSignature(
        name="http_get",
        description="Fetch an address over HTTP and return its text.",
        parameters={
            "url": Field(name="url", type=parse_type("str"), description="The address."),
            "headers": Field(
                name="headers",
                type=parse_type("dict[str]"),
                default={},
                has_default=True,
                description="Headers to send.",
            ),
        },
        returns=_PAGE,
    ),
    call=_http_get,
)
