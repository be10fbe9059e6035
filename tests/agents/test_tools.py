"""Tools touch what they may and nothing else."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from aiohttp import web

from holdfast.agents.tools import TOOLS
from holdfast.agents.tools.http import _told
from holdfast.agents.tools.seam import ToolContext
from holdfast.clock import SystemClock
from holdfast.errors import ToolError
from holdfast.tracing.current import Link
from holdfast.tracing.propagation import Carried, PassingOn
from holdfast.tracing.tracer import Tracer


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    root = tmp_path / "project"
    root.mkdir()
    return ToolContext(root=root, readable=(root,), writable=(root,))


async def call(name: str, context: ToolContext, **given: object) -> object:
    tool = TOOLS[name]
    defaults = {key: field.default for key, field in tool.signature.parameters.items()}
    return await tool.call({**defaults, **given}, context)


async def test_files_are_read_in_the_order_of_their_names(context: ToolContext) -> None:
    for name in ("b.md", "a.md", "sub/c.md", "d.txt", ".hidden/e.md"):
        (context.root / name).parent.mkdir(exist_ok=True)
        (context.root / name).write_text(f"text of {name}")
    (context.root / "binary.md").write_bytes(b"\xff\xfe\x00")

    found = await call("read_files", context, folder=".", pattern="**/*.md")

    assert found == [
        {"path": "a.md", "text": "text of a.md"},
        {"path": "b.md", "text": "text of b.md"},
        {"path": "sub/c.md", "text": "text of sub/c.md"},
    ]


async def test_one_file_can_be_read(context: ToolContext) -> None:
    (context.root / "a.md").write_text("A")
    assert await call("read_files", context, folder="a.md") == [{"path": "a.md", "text": "A"}]


async def test_the_mark_that_some_editors_put_first_is_no_text(context: ToolContext) -> None:
    (context.root / "a.md").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    assert await call("read_files", context, folder=".") == [{"path": "a.md", "text": "one\ntwo\n"}]


async def test_more_files_than_allowed_is_an_error(context: ToolContext) -> None:
    for name in "abc":
        (context.root / name).write_text(name)
    with pytest.raises(ToolError, match="more than 2 files"):
        await call("read_files", context, folder=".", max_files=2)


@pytest.mark.promise("tools-stay-inside")
@pytest.mark.parametrize("path", ["../outside", "/etc", "sub/../../outside", "link", "a\0b"])
async def test_nothing_outside_is_read_or_written(context: ToolContext, path: str) -> None:
    outside = context.root.parent / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("secret")
    (context.root / "link").symlink_to(outside)
    with pytest.raises(ToolError):
        await call("read_files", context, folder=path)
    with pytest.raises(ToolError):
        await call("write_file", context, path=f"{path}/new.md", text="x")
    assert [each.name for each in outside.iterdir()] == ["secret.md"]


@pytest.mark.promise("tools-stay-inside")
async def test_a_link_inside_a_folder_does_not_lead_out(context: ToolContext) -> None:
    (context.root.parent / "secret.md").write_text("secret")
    (context.root / "link.md").symlink_to(context.root.parent / "secret.md")
    assert await call("read_files", context, folder=".") == []


async def test_a_file_is_written_whole_into_folders_that_are_made(context: ToolContext) -> None:
    done = await call("write_file", context, path="new/page.md", text="é")
    assert (context.root / "new/page.md").read_text() == "é"
    assert done == {"path": str(context.root / "new/page.md"), "bytes": 2}
    assert [each.name for each in (context.root / "new").iterdir()] == ["page.md"]


async def test_a_file_is_not_replaced_unless_that_is_allowed(context: ToolContext) -> None:
    (context.root / "a").write_text("old")
    with pytest.raises(ToolError, match="exists already"):
        await call("write_file", context, path="a", text="new", overwrite=False)
    assert (context.root / "a").read_text() == "old"
    await call("write_file", context, path="a", text="new")
    assert (context.root / "a").read_text() == "new"


@pytest.fixture
async def address() -> AsyncGenerator[str]:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text=f"hello {request.headers.get('X-Name', '')}")

    async def told(request: web.Request) -> web.Response:
        names = ("traceparent", "tracestate", "baggage")
        return web.json_response({name: request.headers.get(name) for name in names})

    async def away(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.2:9/inside")

    async def missing(request: web.Request) -> web.Response:
        raise web.HTTPNotFound

    async def endless(request: web.Request) -> web.Response:
        raise web.HTTPFound("/endless")

    app = web.Application()
    app.router.add_get("/page", page)
    app.router.add_get("/told", told)
    app.router.add_get("/away", away)
    app.router.add_get("/missing", missing)
    app.router.add_get("/endless", endless)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"127.0.0.1:{port}"
    await runner.cleanup()


def allowing(context: ToolContext, host: str) -> ToolContext:
    return ToolContext(
        root=context.root, readable=context.readable, writable=context.writable, hosts=(host,)
    )


async def test_a_page_is_fetched_from_a_host_that_is_allowed(
    context: ToolContext, address: str
) -> None:
    got = await call(
        "http_get",
        allowing(context, address),
        url=f"http://{address}/page",
        headers={"X-Name": "A"},
    )
    assert got == {
        "url": f"http://{address}/page",
        "status": 200,
        "type": "text/plain",
        "text": "hello A",
    }


@pytest.mark.promise("tools-stay-inside")
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/page",
        "http://localhost:{port}/page",
        "http://[::1]:{port}/page",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://2130706433:{port}/page",
        "http://0.0.0.0:{port}/page",
        "file:///etc/passwd",
        "http://",
        "http://[::ffff:127.0.0.1]:{port}/page",
    ],
)
async def test_addresses_inside_are_refused(context: ToolContext, address: str, url: str) -> None:
    with pytest.raises(ToolError, match=r"inside this machine|not an http|cannot be fetched"):
        await call("http_get", context, url=url.format(port=address.partition(":")[2]))


@pytest.mark.promise("tools-stay-inside")
async def test_a_redirect_to_an_address_inside_is_refused(
    context: ToolContext, address: str
) -> None:
    with pytest.raises(ToolError, match="inside this machine"):
        await call("http_get", allowing(context, address), url=f"http://{address}/away")


async def test_a_host_of_ours_is_told_of_the_trace_and_nobody_else(
    context: ToolContext, address: str
) -> None:
    tracer, trace_id = Tracer(clock=SystemClock()), "a" * 32
    carried = Carried(link=Link(trace_id, "b" * 16), state="k=v", baggage="user=1")
    ours, url = allowing(context, address), f"http://{address}/told"
    with PassingOn(carried), tracer.span("step", trace_id=trace_id) as span:
        mine = f"00-{trace_id}-{span.span_id}-01"
        got = await call("http_get", ours, url=url)
        own = await call("http_get", ours, url=url, headers={"Traceparent": "of the workflow"})
        assert _told("https://example.com/", {"a": "b"}, ours) == {"a": "b"}
        assert _told(url, {}, context) == {}
    assert json.loads(got["text"]) == {
        "traceparent": mine,
        "tracestate": "k=v",
        "baggage": "user=1",
    }
    assert json.loads(own["text"])["traceparent"] == "of the workflow"


async def test_failures_are_told(context: ToolContext, address: str) -> None:
    allowed = allowing(context, address)
    with pytest.raises(ToolError, match="answered 404"):
        await call("http_get", allowed, url=f"http://{address}/missing")
    with pytest.raises(ToolError, match="redirects more than"):
        await call("http_get", allowed, url=f"http://{address}/endless")


async def test_an_address_that_does_not_answer_is_told_in_plain_words(
    context: ToolContext,
) -> None:
    with socket.socket() as taken:  # bound and never listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        allowed = allowing(context, f"127.0.0.1:{port}")
        with pytest.raises(ToolError) as caught:
            await call("http_get", allowed, url=f"http://127.0.0.1:{port}/")
    assert "cannot be fetched: " in caught.value.message
    assert "ssl:" not in caught.value.message
