"""Records that cannot change, made at a price that every start of a command can pay.

`@frozen` makes what `dataclasses.dataclass(frozen=True, slots=True, kw_only=True)` makes. That one
loads `inspect` and compiles source for each class while it is defined, 0.8 ms each, which is more
than a command like `holdfast task create` has time for. Here a class compiles its own constructor once
it has been used a few times, so that what runs long is as fast as ever.

`dataclasses.replace`, `fields` and `asdict` work on these classes as on others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from itertools import repeat
from operator import attrgetter
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    ParamSpec,
    TypeVar,
    cast,
    dataclass_transform,
    overload,
)

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 - for those who import it here
else:
    from collections import namedtuple

    class _TupleMaker(type):
        def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, space)
            names = tuple(space.get("__annotations__", ()))
            defaults = [space.pop(each) for each in names if each in space]
            made = namedtuple(name, names, defaults=defaults, module=space["__module__"])
            for each in space.keys() - {"__annotations__", "__module__", "__classcell__"}:
                setattr(made, each, space[each])
            return made

    class NamedTuple(metaclass=_TupleMaker):
        """What `typing.NamedTuple` makes, without compiling each annotation."""


P = ParamSpec("P")
T = TypeVar("T")

_COMPILED_AFTER = 8
_set = object.__setattr__


class _Missing:
    """What stands for a default that there is not."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class Member(NamedTuple):
    """A field of a record: its name and how it gets a value that nobody gave."""

    name: str
    default: object = MISSING
    factory: Callable[[], object] | None = None

    def fill(self) -> object:
        """Return the value that nobody gave, `MISSING` if somebody has to."""
        return self.default if self.factory is None else self.factory()


class _Made(NamedTuple):
    factory: Callable[[], object]


def field(*, default_factory: Callable[[], T]) -> T:
    """Let a field that nobody gives be made anew for each record."""
    return cast("T", _Made(default_factory))


@overload
def frozen(cls: type[T], /) -> type[T]: ...
@overload
def frozen(*, kw_only: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(cls: type[T] | None = None, /, *, kw_only: bool = True) -> Any:
    """Make a class a record that cannot change: see the module."""
    if cls is None:
        return partial(_make, kw_only=kw_only, is_frozen=True)
    return _make(cls, kw_only=kw_only, is_frozen=True)


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def slotted(cls: type[T]) -> type[T]:
    """Make a class a record whose fields may be set anew."""
    return _make(cls, kw_only=True, is_frozen=False)


def members_of(cls: type) -> tuple[Member, ...]:
    """Return the fields of a record's class, also of one that `dataclasses` made."""
    try:
        return cast("Any", cls).__members__
    except AttributeError:
        return _members_of_dataclass(cls)


def is_record(value: object) -> bool:
    """Tell whether a value is a record, also one of a class that `dataclasses` made."""
    kind = type(value)
    return hasattr(kind, "__members__") or "__dataclass_fields__" in kind.__dict__


def maker(cls: Callable[P, T]) -> Callable[P, T]:
    """Return what makes records of a class of ours as its constructor does, in a third of the time.

    For who makes them by the million. A call of a class packs what it is given anew, and in a record
    that cannot change each field is set by a call. Here a twin that can change is filled and is
    then made one of the class.
    """
    return cast("Callable[P, T]", _maker(cast("type", cls)))


def replace(record: T, **changes: object) -> T:
    """Return a record with other values of some fields.

    Raises:
        TypeError: it has no such field.
    """
    return cast("T", _copier(type(record)).copy(record, changes))


@cache
def _copier(cls: type) -> _Copier:
    return _Copier(cls)


class _Copier:
    """Makes records of a class out of others; by a compiled function once that is worth it."""

    def __init__(self, cls: type) -> None:
        names = [member.name for member in members_of(cls)]
        self._cls = cls
        self._names = names
        self._places = {name: place for place, name in enumerate(names)}
        self._read: Callable[[object], Sequence[object]] = (
            attrgetter(*names)
            if len(names) > 1
            else lambda record: [getattr(record, each) for each in names]
        )
        self._make: Callable[..., object] = self._make_by_name
        self._uses = 0

    def copy(self, record: object, changes: Mapping[str, object]) -> object:
        values = list(self._read(record))
        for name, value in changes.items():
            if name not in self._places:
                raise TypeError(f"{self._cls.__qualname__} has no {name!r}")
            values[self._places[name]] = value
        return self._make(*values)

    def _make_by_name(self, *values: object) -> object:
        self._uses += 1
        if self._uses > _COMPILED_AFTER and "__members__" in self._cls.__dict__:
            self._make = _fill(self._cls, "make", self._names, self._names)
        return self._cls(**dict(zip(self._names, values, strict=True)))


@cache
def _maker(cls: type) -> Callable[..., object]:
    head, values, space = _parameters(members_of(cls))
    return _fill(cls, "make", ["*", *head] if head else [], values, space)


def records(cls: type[T], count: int, members: Mapping[str, Iterable[object]]) -> list[T]:
    """Return records of a class of ours made member by member, in half the time of its constructor.

    `members` has at least `count` values for each member; one that is not given has its default.

    Raises:
        TypeError: a member is not given and has no default, or is given and is none.
        ValueError: there are too few values of one.
    """
    make = cast("Callable[[type[T]], T]", object.__new__)
    made = list(map(make, repeat(cls, count)))
    given = dict(members)
    for member in members_of(cls):
        name = member.name
        values = given.pop(name) if name in given else _filled(member, count)
        put: Callable[[T, object], None] = getattr(cls, name).__set__
        deque(map(put, made, values), maxlen=0)
        if made and not hasattr(made[-1], name):
            raise ValueError(f"there are fewer than {count} values of {name!r}")
    if given:
        raise TypeError(f"{cls.__qualname__} has no {next(iter(given))!r}")
    return made


def _filled(member: Member, count: int) -> Iterable[object]:
    if member.fill() is MISSING:
        raise TypeError(f"{member.name!r} has no default")
    return (
        (member.fill() for _ in range(count)) if member.factory else repeat(member.default, count)
    )


def _make(cls: type[T], *, kw_only: bool, is_frozen: bool) -> type[T]:
    members = dict(cls.__dict__)
    names = [
        name for name, kind in members["__annotations__"].items() if not kind.startswith("ClassVar")
    ]
    fields = tuple(_member(name, members.pop(name, MISSING)) for name in names)
    for name in ("__dict__", "__weakref__"):
        members.pop(name, None)
    given: dict[str, object] = {
        "__init__": _first_init(fields, kw_only=kw_only),
        "__repr__": _repr,
        "__eq__": _eq,
        "__hash__": _hash if is_frozen else None,
        "__getstate__": _get_state,
        "__setstate__": _set_state,
        "__match_args__": () if kw_only else tuple(names),
        "__slots__": tuple(names),
        "__members__": fields,
        "__dataclass_fields__": _DataclassFields(),
    }
    if is_frozen:
        given |= {"__setattr__": _refuse_set, "__delattr__": _refuse_delete}
    return type(cls)(cls.__name__, cls.__bases__, {**given, **members})


def _member(name: str, default: object) -> Member:
    if isinstance(default, _Made):
        return Member(name, factory=default.factory)
    return Member(name, default)


def _first_init(fields: tuple[Member, ...], *, kw_only: bool) -> Callable[..., None]:
    """Return a constructor that puts a compiled one in its place when it is worth it."""
    uses = 0

    def begin(self: object, *values: object, **given: object) -> None:
        nonlocal uses
        uses += 1
        # What is wrong is told by the compiled one, in the words that everybody knows.
        if uses > _COMPILED_AFTER or (values and kw_only) or len(values) > len(fields):
            return _compile(type(self), fields, kw_only=kw_only)(self, *values, **given)
        for member, value in zip(fields, values, strict=False):
            _set(self, member.name, value)
        for member in fields[len(values) :]:
            value = given.pop(member.name) if member.name in given else member.fill()
            if value is MISSING:
                given[member.name] = value
                break
            _set(self, member.name, value)
        if given:
            known = {name: value for name, value in given.items() if value is not MISSING}
            return _compile(type(self), fields, kw_only=kw_only)(self, *values, **known)
        return None

    return begin


def _compile(cls: type, fields: tuple[Member, ...], *, kw_only: bool) -> Callable[..., None]:
    """Write the constructor of a class, put it there and return it."""
    head, values, space = _parameters(fields)
    head = ["self", "*", *head] if kw_only and fields else ["self", *head]
    body: list[str] = []
    for number, (member, value) in enumerate(zip(fields, values, strict=True)):
        space[f"_set{number}"] = getattr(cls, member.name).__set__  # quicker than by the name
        body.append(f" _set{number}(self, {value})")
    made = _write("__init__", head, body or [" pass"], space)
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = made
    return made


def _parameters(fields: Iterable[Member]) -> tuple[list[str], list[str], dict[str, Any]]:
    """Return the parameters of a constructor, the value of each field, and what both of them name."""
    space: dict[str, Any] = {"_missing": MISSING}
    head: list[str] = []
    values: list[str] = []
    for number, (name, default, factory) in enumerate(fields):
        space[f"_factory{number}"], space[f"_default{number}"] = factory, default
        value = name
        if factory is not None:
            head.append(f"{name}=_missing")
            value = f"_factory{number}() if {name} is _missing else {name}"
        else:
            head.append(name if default is MISSING else f"{name}=_default{number}")
        values.append(value)
    return head, values, space


def _fill(
    cls: type, name: str, head: list[str], values: list[str], space: dict[str, Any] | None = None
) -> Callable[..., Any]:
    """Write a function that makes a record of a class by way of a twin that can change."""
    names = [member.name for member in members_of(cls)]
    twin = type(cls)(cls.__name__, cls.__bases__, {"__slots__": tuple(names)})
    body = [" _self = _new(_twin)"]
    body += (f" _self.{each} = {value}" for each, value in zip(names, values, strict=True))
    body += [" _self.__class__ = _cls", " return _self"]
    known = {"_new": object.__new__, "_twin": twin, "_cls": cls}
    made = _write(name, head, body, known | (space or {}))
    made.__qualname__ = f"{name} of {cls.__qualname__}"
    return made


def _write(
    name: str, head: list[str], body: list[str], space: dict[str, Any]
) -> Callable[..., Any]:
    exec(f"def {name}({', '.join(head)}):\n" + "\n".join(body), space)  # noqa: S102
    made: Callable[..., Any] = space[name]
    return made


def _members_of_dataclass(cls: type) -> tuple[Member, ...]:
    import dataclasses  # noqa: PLC0415 - loaded already

    return tuple(
        Member(
            each.name,
            MISSING if each.default is dataclasses.MISSING else each.default,
            None if each.default_factory is dataclasses.MISSING else each.default_factory,
        )
        for each in dataclasses.fields(cls)
    )


class _DataclassFields:
    """What the functions of `dataclasses` look for, made when they do."""

    def __get__(self, record: object, cls: type) -> dict[str, object]:
        import dataclasses  # noqa: PLC0415 - what this module is there to avoid

        space: dict[str, object] = {}
        for name, default, factory in members_of(cls):
            if factory is not None:
                space[name] = dataclasses.field(default_factory=factory)
            elif default is not MISSING:
                space[name] = default
        specs = [(name, object, space[name]) if name in space else (name, object)
                 for name, _, _ in members_of(cls)]  # fmt: skip
        twin = dataclasses.make_dataclass(cls.__name__, specs, kw_only=True)
        fields: dict[str, object] = vars(twin)["__dataclass_fields__"]
        cast("Any", cls).__dataclass_fields__ = fields  # in place of this, for the next time
        return fields


def _values(record: object) -> tuple[object, ...]:
    return tuple(getattr(record, member.name) for member in members_of(type(record)))


def _repr(self: object) -> str:
    members = members_of(type(self))
    said = ", ".join(f"{name}={getattr(self, name)!r}" for name, _, _ in members)
    return f"{type(self).__qualname__}({said})"


def _eq(self: object, other: object) -> bool:
    if type(other) is not type(self):
        return NotImplemented
    return _values(self) == _values(other)


# By this pytest knows records that are compared by their fields, and shows those that differ.
_eq.__code__ = _eq.__code__.replace(co_filename="<string>")


def _hash(self: object) -> int:
    return hash(_values(self))


def _get_state(self: object) -> list[object]:
    return list(_values(self))


def _set_state(self: object, state: list[object]) -> None:
    for member, value in zip(members_of(type(self)), state, strict=True):
        _set(self, member.name, value)


def _refuse_set(self: object, name: str, value: object) -> None:  # noqa: ARG001 - its form
    from dataclasses import FrozenInstanceError  # noqa: PLC0415 - see above

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: object, name: str) -> None:  # noqa: ARG001 - its form
    from dataclasses import FrozenInstanceError  # noqa: PLC0415 - see above

    raise FrozenInstanceError(f"cannot delete field {name!r}")
