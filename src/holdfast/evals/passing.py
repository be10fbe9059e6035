"""A provider that stands before another one and says what it says."""

from __future__ import annotations

from holdfast.routing.seam import Price, Provider, Traits


class PassingProvider:
    """What two wrappers of providers share: everything but `complete`."""

    def __init__(self, inner: Provider) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def traits(self) -> Traits:
        return self._inner.traits

    def models(self) -> tuple[str, ...]:
        return self._inner.models()

    def serves(self, model: str) -> bool:
        return self._inner.serves(model)

    def price(self, model: str) -> Price | None:
        return self._inner.price(model)

    async def close(self) -> None:
        await self._inner.close()
