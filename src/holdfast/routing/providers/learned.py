"""Keep what endpoints were seen not to take, and fit requests to it, try by try."""

from __future__ import annotations

from typing import cast

from holdfast.clock import Clock
from holdfast.routing.config import ProviderConfig
from holdfast.routing.dialects.seam import Object
from holdfast.routing.providers.habits import Habits, adapt, fitted, names_in
from holdfast.storage.warning import warn


class Learned:
    """The habits of endpoints, by provider and model; each counts for an hour after the last lesson."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._known: dict[tuple[str, str], Habits] = {}

    def habits(self, config: ProviderConfig, model: str) -> Habits:
        """Return what is known of a model of a provider."""
        known = self._known.get((config.name, model))
        if known is None or known.until_ms <= self.clock.now_ms():
            return Habits(schema=config.structured_output != "none")
        return known

    def left_out(self, config: ProviderConfig, model: str) -> tuple[str, ...]:
        """Return the fields that are left out for now, as they were learned not to be taken."""
        return tuple(sorted(self.habits(config, model).left_out))

    def keep(self, config: ProviderConfig, model: str, habits: Habits) -> None:
        """Count on habits from now on."""
        if news := habits.left_out - self.habits(config, model).left_out:
            warn(
                "provider %r does not take %s for the model %r: left out for an hour",
                config.name, ", ".join(sorted(news)), model,
            )  # fmt: skip
        self._known[config.name, model] = habits


class Fitting:
    """One request on its way to an endpoint, which may refuse a part of it at each try."""

    def __init__(self, learned: Learned, config: ProviderConfig, body: Object) -> None:
        self._learned = learned
        self._config = config
        self._body = body
        self._model = cast("str", body["model"])
        self._is_news, self._is_kept = False, True
        self.habits = learned.habits(config, self._model)

    @property
    def body(self) -> Object:
        """What is sent."""
        return fitted(self._body, self.habits)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The fields of the request that are not sent."""
        return names_in(self._body, self.habits)

    def adapt(self, message: str) -> bool:
        """Leave out what a 400 complains of; false if it is nothing that could be left out."""
        changed = adapt(
            self.habits,
            message,
            self._body,
            may_drop_schema=self._config.structured_output == "auto",
            now_ms=self._learned.clock.now_ms(),
        )
        if changed is None:
            return False
        # A schema that is wrong says nothing about the schemas of other requests.
        self._is_kept = self._is_kept and "invalid schema" not in message.lower()
        self.habits, self._is_news = changed, True
        return True

    def learn(self) -> None:
        """Keep what was left out, as the endpoint took the rest."""
        if self._is_news and self._is_kept:
            self._learned.keep(self._config, self._model, self.habits)
