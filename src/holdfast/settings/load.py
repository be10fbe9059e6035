"""Settings of a project: what the caller says, the environment, `holdfast.toml`, the defaults.

The earlier of these wins. This is the only module that reads the environment. It is cheap to
import and reads the whole file before it complains, so that all mistakes are shown at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from holdfast.frozen import field, frozen, replace
from holdfast.settings.rates import Worth
from holdfast.settings.reader import Problems, Section, read_file
from holdfast.settings.values import (
    Table,
    as_ack,
    as_names,
    as_seconds,
    as_table,
    as_text,
    as_whole,
    suggestion,
)

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from holdfast.routing.config import ProviderConfig, RoutingConfig  # many commands do without
    from holdfast.routing.ecash.config import WalletConfig
    from holdfast.settings.routing import ProxySettings
    from holdfast.settings.tracing import MoneySettings, TracingSettings

FILE_NAME = "holdfast.toml"
Ack = Literal["memory", "os", "disk"]
Checks = Mapping[str, Callable[[object], object]]

_DEFAULT_STORE = "files:.holdfast"
_PREFIX = "HOLDFAST_"
TRACES_VARIABLE = "HOLDFAST_TRACING_STORE"


@frozen
class ToolSettings:
    """What tools may touch besides the folder of the project: folders (absolute) and hosts."""

    read: tuple[Path, ...]
    write: tuple[Path, ...]
    hosts: tuple[str, ...] = ()


@frozen
class Settings:
    """Everything that can be set.

    `root` is the folder of `holdfast.toml` or, without one, where the search for it began. A path
    in `store` is absolute. `ledger_ack` is `ack` where that was said: money is then as safe as all else. `model` is None where no default was set. `lease_seconds` is how long
    a silent process keeps a run, `concurrency` how many steps of one process run at once. `tracing`
    `routing`, `proxy`, `wallet`, `money` and `prices` (by model, as `PriceTable.read` takes them) are None where nothing was said
    about them. `warnings` are sentences to show once. `elsewhere` says of settings that stand in another file than
    `file` in which one, and what they are called there.
    """

    root: Path
    store: str
    tools: ToolSettings
    file: Path | None = None
    ack: Ack = "disk"
    ledger_ack: Ack = "os"
    model: str | None = None
    lease_seconds: float = 15.0
    concurrency: int = 40
    providers: tuple[ProviderConfig, ...] = ()
    tracing: TracingSettings | None = None
    money: MoneySettings | None = None
    prices: Table | None = None
    routing: RoutingConfig | None = None
    proxy: ProxySettings | None = None
    wallet: WalletConfig | None = None
    warnings: tuple[str, ...] = ()
    elsewhere: Mapping[str, tuple[Path, str]] = field(default_factory=dict[str, tuple[Path, str]])

    def home(self, key: str) -> tuple[Path | None, str]:
        """Return the file that a setting stands in, None without one, and what it is called there."""
        found = (each for each in self.elsewhere if f"{key}.".startswith(f"{each}."))
        known = max(found, key=len, default=None)
        if known is None:
            return self.file, key
        file, there = self.elsewhere[known]
        return file, there + key[len(known) :]


def load_settings(
    start: Path | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    clock: Clock | None = None,
    **overrides: object,
) -> Settings:
    """Return the settings for work in the folder `start`, by default the working directory.

    `overrides` are `store`, `ack`, `model`, `lease_seconds` and `concurrency`; None says nothing.
    A relative path in `store` begins at the folder of `holdfast.toml` if it stands there, else
    at `start`. The environment has the same names: `HOLDFAST_STORE` and so on; where traces are kept
    is `HOLDFAST_TRACING_STORE`. Prices in a currency become sats by the rate of the day that `clock`
    tells.

    Raises:
        SettingsError: everything that is wrong, each with its file and key.
    """
    start = (Path.cwd() if start is None else start).absolute()
    environ = os.environ if environ is None else environ
    files = (folder / FILE_NAME for folder in (start, *start.parents))
    file = next((each for each in files if each.is_file()), None)
    root = file.parent if file else start
    found = Problems()
    values: dict[str, object] = {
        "store": _absolute(_DEFAULT_STORE, root),
        "tools": ToolSettings(read=(root,), write=(root,)),
    }
    if file is not None:
        values |= _from_file(read_file(file, found), root, environ, clock)
    values |= _from_environment(found, start, environ)
    if traces := environ.get(TRACES_VARIABLE):
        values["tracing"] = _with_store(values.get("tracing"), _absolute(traces, start))
    values |= _from_caller(found, start, overrides)
    if "ack" in values:
        values["ledger_ack"] = values["ack"]
    found.raise_all()
    known = cast("dict[str, Any]", values)  # each was checked where it was read
    warnings = tuple(found.warnings)
    return Settings(root=root, file=file, warnings=warnings, elsewhere=found.elsewhere, **known)


def environment_value(name: str) -> str | None:
    """Return the value of a variable that a person named, None if it is not set."""
    return os.environ.get(name)


def _from_file(
    top: Section, root: Path, environ: Mapping[str, str], clock: Clock | None = None
) -> dict[str, object]:
    values = _collect(top, _GENERAL, root)
    if engine := top.section("engine"):
        values |= _collect(engine, _ENGINE, root)
        engine.refuse_rest()
    money = None
    if table := top.section("money"):
        values["money"] = money = _read_money(table)
    values |= _models_of(top, root, environ, Worth(money, clock))
    if prices := top.take("prices", as_table, None):
        values["prices"] = prices
    values |= {name: read(table) for name, read in _TABLES.items() if (table := top.section(name))}
    if tools := top.section("tools"):
        values["tools"] = _tools(tools, root)
    top.refuse_rest()
    return values


def _models_of(
    top: Section, root: Path, environ: Mapping[str, str], worth: Worth
) -> dict[str, object]:
    """Return what is said about who is asked for models, and how one is chosen."""
    values: dict[str, object] = {}
    providers: list[ProviderConfig] = []
    if tables := top.section("providers"):
        from holdfast.settings.providers import read_provider  # noqa: PLC0415 - where there are any

        every = [read_provider(tables.section(name), name, environ, worth) for name in tables.table]
        providers += [each for each in every if each is not None]
    if routing := top.section("routing"):
        from holdfast.settings.routing import read_routing  # noqa: PLC0415 - as above

        values["routing"], others = read_routing(routing, root, environ, worth)
        names = {each.name for each in providers}
        for each in others:
            if each.name in names:
                routing.problem("file", f"its provider {each.name!r} is in another table too")
            names.add(each.name)
        providers += others
    return values | ({"providers": tuple(providers)} if providers else {})


def _with_store(tracing: object, store: str) -> TracingSettings:
    """Return what the file says about tracing, with the store of the environment."""
    from holdfast.settings.tracing import TracingSettings  # noqa: PLC0415 - as above

    said = tracing if isinstance(tracing, TracingSettings) else TracingSettings()
    return replace(said, store=store)


def _read_tracing(section: Section) -> object:
    from holdfast.settings.tracing import read_tracing  # noqa: PLC0415 - where there is any

    return read_tracing(section)


def _read_money(section: Section) -> MoneySettings:
    from holdfast.settings.tracing import read_money  # noqa: PLC0415 - as above

    return read_money(section)


def _read_proxy(section: Section) -> object:
    from holdfast.settings.routing import read_proxy  # noqa: PLC0415 - as above

    return read_proxy(section)


def _read_wallet(section: Section) -> object:
    from holdfast.settings.wallet import read_wallet  # noqa: PLC0415 - as above

    return read_wallet(section)


def _tools(section: Section, root: Path) -> ToolSettings:
    allowed = ToolSettings(
        read=tuple(root / each for each in section.take("read", as_names, (".",))),
        write=tuple(root / each for each in section.take("write", as_names, (".",))),
        hosts=section.take("hosts", as_names, ()),
    )
    section.refuse_rest()
    return allowed


def _from_environment(
    found: Problems, start: Path, environ: Mapping[str, str]
) -> dict[str, object]:
    known = {_spell(key): key for key in {**_GENERAL, **_ENGINE}}
    table = {
        name: _number(environ[name]) if key in _ENGINE else environ[name]
        for name, key in known.items()
        if environ.get(name)
    }
    for name in sorted(environ.keys() - known - {TRACES_VARIABLE}):
        # Only what looks like a slip: other variables may mean something to somebody else.
        slip = name.removeprefix(_PREFIX).lower() if name.startswith(_PREFIX) else ""
        if slip and (meant := suggestion(slip, known.values(), _spell)):
            found.warnings.append(f"the environment variable {name} is not known{meant}")
    section = Section(found, "environment", "", table)
    return _collect(section, {**_GENERAL, **_ENGINE}, start, _spell)


def _from_caller(found: Problems, start: Path, overrides: Table) -> dict[str, object]:
    given = {key: value for key, value in overrides.items() if value is not None}
    section = Section(found, "arguments", "", given)
    values = _collect(section, {**_GENERAL, **_ENGINE}, start)
    section.refuse_rest()
    return values


def _collect(
    section: Section, checks: Checks, folder: Path, spell: Callable[[str], str] = str
) -> dict[str, object]:
    """Return the values that are there and right; relative stores begin at `folder`."""
    taken = {key: section.take(spell(key), check, None) for key, check in checks.items()}
    values = {key: value for key, value in taken.items() if value is not None}
    if isinstance(store := values.get("store"), str):
        values["store"] = _absolute(store, folder)
    return values


def _absolute(store: str, folder: Path) -> str:
    scheme, _, path = store.partition(":")
    if scheme not in ("sqlite", "files") or not path:
        return store
    return f"{scheme}:{folder / path}"


_TABLES: Mapping[str, Callable[[Section], object]] = {
    "tracing": _read_tracing,
    "proxy": _read_proxy,
    "wallet": _read_wallet,
}
_GENERAL: Checks = {"store": as_text, "ack": as_ack, "model": as_text}
_ENGINE: Checks = {"lease_seconds": as_seconds, "concurrency": as_whole}


def _number(text: str) -> object:
    from decimal import Decimal  # noqa: PLC0415 - rarely needed

    try:
        return Decimal(text.strip())
    except ArithmeticError:
        return text


def _spell(key: str) -> str:
    return _PREFIX + key.upper()
