"""Where the parts of a project lie on the disk, if they do."""

from __future__ import annotations

from pathlib import Path

from holdfast.settings import Settings


def existing_address(settings: Settings) -> str:
    """Return the address of the store, or of an empty one if nobody has made it yet."""
    return settings.store if store_exists(settings) else "memory://"


def store_exists(settings: Settings) -> bool:
    """Whether there is anything to look into; whatever else is wrong, opening it will tell."""
    path = local_path(settings)
    if path is None:
        return True
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def search_folder(settings: Settings) -> Path | None:
    """Return the folder of this machine in which what searches the store keeps its indexes.

    None for a store that is not there, or is gone with the process: an index in memory will do.
    """
    if settings.store.startswith("memory:") or not store_exists(settings):
        return None
    return faces_folder(settings)


def faces_folder(settings: Settings) -> Path | None:
    """Return the folder of the folders of readable files; None for a store in memory."""
    scheme, _, rest = settings.store.partition(":")
    match scheme:
        case "memory":
            return None
        case "files":
            return Path(rest.partition("?")[0])
        case "sqlite":
            return Path(f"{rest}.files")
        case _:
            return settings.root / ".holdfast"


def traces_folder(settings: Settings) -> Path | None:
    """Return the folder of the rings and of the usual store of traces; None for one in memory."""
    folder = faces_folder(settings)
    return folder / "traces" if folder else None


def local_path(settings: Settings) -> Path | None:
    """Return the file or the folder that holds the records of a store on this machine."""
    scheme, _, rest = settings.store.partition(":")
    match scheme:
        case "sqlite":
            return Path(rest)
        case "files":
            return Path(rest.partition("?")[0]) / "journal"
        case _:
            return None
