"""Run the command line: `python -m holdfast`."""

from holdfast.cli.main import entry

if __name__ == "__main__":
    entry()
