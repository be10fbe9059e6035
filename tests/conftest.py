"""Fixtures for all tests, and how they are run."""

import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["holdfast.testing.storage", "holdfast.testing.crash", "tests.servers.fixtures"]

# A shell starts what runs in its background deaf to Ctrl-C, and children inherit that: the
# commands that the tests interrupt would never hear of it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is. Hypothesis itself asks for neither in CI.
_profile = settings.get_current_profile_name()
settings.register_profile(
    _profile,
    settings.get_profile(_profile),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
