"""Tools of the repository, run by `./dev`; not part of the package."""
