"""Wire tracing: the ring that this process writes, and the store that everybody reads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.app.places import traces_folder
from holdfast.clock import Clock
from holdfast.errors import HoldfastError, SettingsError
from holdfast.ids import new_file_id, new_secret
from holdfast.settings import Settings

if TYPE_CHECKING:
    from holdfast.settings.tracing import TracingSettings
    from holdfast.tracing.billing.money import Exchange
    from holdfast.tracing.billing.prices import PriceBook
    from holdfast.tracing.digest import Digester
    from holdfast.tracing.payload import KeepPart
    from holdfast.tracing.payloads.keeping import Payloads
    from holdfast.tracing.redaction.redactor import Hook
    from holdfast.tracing.span import Attributes, Span, Value
    from holdfast.tracing.store.seam import Retention, TraceStore
    from holdfast.tracing.tracer import Prepare, Tracer
    from holdfast.tracing.watching import Watch

RINGS, FILE, KEY = "rings", "traces.db", "key"
_MOST_RINGS = 16
_TEND_SECONDS = 60.0


@contextmanager
def open_tracer(settings: Settings, clock: Clock) -> Generator[Tracer]:
    """Give a tracer whose spans are journaled as they begin and end.

    Nothing is traced over a store in memory: the traces would be gone with it. What goes to a store
    on a server is taken in at the end, since those who look there may be on other machines.
    """
    from holdfast.tracing.tracer import Tracer  # noqa: PLC0415 - few commands trace

    folder = traces_folder(settings)
    if folder is None:
        yield Tracer(clock=clock)
        return
    from holdfast.tracing.ring.ring import Ring  # noqa: PLC0415 - as above

    ring = Ring(folder / RINGS, clock=clock)
    try:
        tracer = Tracer(clock=clock, sink=ring, prepare=_preparing(settings, ring.part))
        if tracing_of(settings).opentelemetry:
            from holdfast.tracing.otel.installing import install  # noqa: PLC0415 - as above

            install(tracer)
        yield tracer
    finally:
        ring.close()
        if _count_rings(folder) > (0 if is_shared(settings) else _MOST_RINGS):
            with suppress(HoldfastError):  # whoever reads next is told
                take_in(settings)


@contextmanager
def open_traces(
    settings: Settings, *, make: bool = True, watch: Watch | None = None
) -> Generator[TraceStore]:
    """Give the traces of the project, with all that has been journaled until now.

    Without `make` a store is not made where nothing was ever traced: then there are no traces. With
    `watch` they are settled too, and it is told how far that has come.

    Raises:
        StorageError: the store of the traces cannot be used.
    """
    from holdfast.tracing.collecting import collect  # noqa: PLC0415 - few commands read traces
    from holdfast.tracing.store.opening import open_trace_store  # noqa: PLC0415 - as above
    from holdfast.tracing.watching import UNWATCHED  # noqa: PLC0415 - as above

    folder = traces_folder(settings)
    address = traces_address(settings, make=make)
    with open_trace_store(address, digester=digester_of(settings)) as store:
        if folder is not None and address != NOWHERE:
            collect(folder / RINGS, store, watch=watch or UNWATCHED)
        if watch is not None:
            store.settle(watch=watch)
        yield store


def take_in(settings: Settings) -> None:
    """Move into the store what processes have journaled, and make its digests."""
    with open_traces(settings) as store:
        store.settle()


@asynccontextmanager
async def tending(settings: Settings, clock: Clock) -> AsyncGenerator[None]:
    """Take in what is journaled and remove what is too old, now and then, during the block."""
    if traces_folder(settings) is None:
        yield
        return
    tender = asyncio.create_task(_tend(settings, clock))
    try:
        yield
    finally:
        tender.cancel()
        await asyncio.wait([tender])


async def _tend(settings: Settings, clock: Clock) -> None:
    while True:
        await clock.sleep(_TEND_SECONDS)
        with suppress(HoldfastError):  # the rings keep it; whoever reads the traces is told
            await asyncio.to_thread(_tend_once, settings, clock)


def _tend_once(settings: Settings, clock: Clock) -> None:
    with open_traces(settings) as store:
        store.settle()
        store.sweep(retention_of(settings), now_ns=clock.now_ms() * 1_000_000)


def whole_spans(store: TraceStore, trace_id: str) -> list[Span]:
    """Return the spans of a trace with the payloads that they refer to, for who has no such store.

    A payload that was removed or never kept is replaced by a text that says so.
    """
    from holdfast.frozen import replace  # noqa: PLC0415 - few commands read payloads
    from holdfast.tracing.payloads.reading import resolve  # noqa: PLC0415 - as above

    def whole(attributes: Attributes) -> dict[str, Value]:
        return {name: resolve(value, store.part) for name, value in attributes.items()}

    return [
        replace(
            span,
            attributes=whole(span.attributes),
            events=[replace(each, attributes=whole(each.attributes)) for each in span.events],
        )
        for span in store.spans(trace_id)
    ]


def payloads_of(settings: Settings, keep: KeepPart) -> Payloads:
    """Return what takes secrets and long values out of spans, as the settings say.

    Raises:
        SettingsError: the redaction hook cannot be imported.
    """
    from holdfast.tracing.payloads.keeping import Payloads  # noqa: PLC0415 - as above
    from holdfast.tracing.redaction.redactor import Redactor  # noqa: PLC0415 - as above

    tracing, folder = tracing_of(settings), traces_folder(settings)
    key = project_key(folder) if folder else b"in memory"
    redactor = Redactor(
        key=key,
        names=tracing.redact_keys,
        patterns=tracing.redact_patterns,
        hook=_hook_of(tracing.redact_hook),
    )
    return Payloads(mode=tracing.payloads, redactor=redactor, key=key, keep=keep)


def _preparing(settings: Settings, keep: KeepPart) -> Prepare:
    """Return what prepares attributes. The key is made with the first span, as the ring is.

    Raises:
        SettingsError: the redaction hook cannot be imported.
    """
    _hook_of(tracing_of(settings).redact_hook)
    made: Payloads | None = None

    def prepare(attributes: dict[str, Value]) -> Mapping[str, Value]:
        nonlocal made
        if made is None:
            made = payloads_of(settings, keep)
        return made.prepare(attributes)

    return prepare


def project_key(folder: Path) -> bytes:
    """Return the key of the hashes and marks of a project's traces, made at the first time.

    It is no secret that anything depends on: without it equal contents of two projects would have
    equal hashes.
    """
    path = folder / KEY
    try:
        return path.read_bytes()
    except FileNotFoundError:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = folder / f".{KEY}.{new_file_id()}"
        beside.touch(mode=0o600)
        beside.write_bytes(new_secret())
        with suppress(FileExistsError):  # another process was first
            os.link(beside, path)
        beside.unlink()
        return path.read_bytes()


def _hook_of(name: str | None) -> Hook | None:
    if name is None:
        return None
    from importlib import import_module  # noqa: PLC0415 - rarely needed

    module, _, function = name.partition(":")
    try:
        return getattr(import_module(module), function)
    except Exception as error:
        raise SettingsError(
            f"tracing.redact_hook: {name!r} cannot be imported: {error}",
            hint="nothing is traced without the redaction that was asked for; mend it or remove it",
        ) from error


def digester_of(settings: Settings) -> Digester:
    """Return what makes digests of traces, with the prices and rates that are set.

    Raises:
        SettingsError: the prices have mistakes.
    """
    from holdfast.tracing.digesting import digest_of  # noqa: PLC0415 - few commands read traces

    return partial(digest_of, book=_book_of(settings), exchange=exchange_of(settings))


def _book_of(settings: Settings) -> PriceBook:
    """Return the prices of the settings, those of providers first."""
    from holdfast.tracing.billing.prices import SAT, ModelPrice, PriceBooks, PriceTable  # noqa: PLC0415

    configured = {
        f"{provider.name}/{model}": [
            ModelPrice(
                currency=SAT,
                per_million={
                    "input": Fraction(price.input_msat_per_million, 1000),
                    "output": Fraction(price.output_msat_per_million, 1000),
                },
                request=Fraction(price.request_msat, 1000),
            )
        ]
        for provider in settings.providers
        for model, price in provider.models.items()
        if price is not None
    }
    return PriceBooks([PriceTable(configured), PriceTable.read(settings.prices or {})])


def exchange_of(settings: Settings) -> Exchange | None:
    """Return what money is worth by the settings, None where they do not say."""
    if settings.money is None:
        return None
    from holdfast.settings.tracing import exchange_from  # noqa: PLC0415 - few projects say it

    return exchange_from(settings.money)


def labels_of(settings: Settings) -> dict[str, str]:
    """Return what the spans of all runs of this process say."""
    release = settings.tracing.release if settings.tracing else None
    return {"release": release} if release else {}


def retention_of(settings: Settings) -> Retention:
    """Return how long traces are kept."""
    from holdfast.tracing.store.seam import Retention  # noqa: PLC0415 - as above

    tracing = tracing_of(settings)
    return Retention(
        days=tracing.keep_days,
        payload_days=tracing.keep_payload_days,
        bytes=None if tracing.keep_mib is None else tracing.keep_mib << 20,
    )


def tracing_of(settings: Settings) -> TracingSettings:
    """Return what is set about tracing, or the usual."""
    if settings.tracing is not None:
        return settings.tracing
    from holdfast.settings.tracing import TracingSettings  # noqa: PLC0415 - as above

    return TracingSettings()


NOWHERE = "memory:"


def traces_address(settings: Settings, *, make: bool) -> str:
    """Return where the traces are; those in memory if there are none and none shall be made."""
    if settings.tracing is not None and settings.tracing.store is not None:
        scheme, _, path = settings.tracing.store.partition(":")
        return f"sqlite:{settings.root / path}" if scheme == "sqlite" else settings.tracing.store
    folder = traces_folder(settings)
    if folder is None or not (make or folder.exists()):
        return NOWHERE
    return f"sqlite:{folder / FILE}"


def is_shared(settings: Settings) -> bool:
    """Whether the traces lie on a server, where other machines see them."""
    return (tracing_of(settings).store or "").startswith("postgres")


def _count_rings(folder: Path) -> int:
    try:
        return sum(1 for _ in (folder / RINGS).iterdir())
    except OSError:
        return 0
