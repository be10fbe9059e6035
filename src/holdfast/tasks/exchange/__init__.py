"""Bring tasks in from other trackers, and take them there: one module a format.

Import what is needed from the modules: `importing.import_tasks`, `exporting.export_tasks`,
`formats.format_named`. `docs/how-to/move-tasks.md` says what becomes of what.
"""
