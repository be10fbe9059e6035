"""Settings of a project: what the caller says, the environment, `holdfast.toml`, the defaults."""

from holdfast.settings.load import (
    FILE_NAME,
    Settings,
    ToolSettings,
    environment_value,
    load_settings,
)

__all__ = ["FILE_NAME", "Settings", "ToolSettings", "environment_value", "load_settings"]
