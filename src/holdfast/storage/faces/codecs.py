"""How a record turns into the text of a file and back."""

from __future__ import annotations

from typing import Protocol

from holdfast.errors import FaceError
from holdfast.storage.faces.values import Fields, read_fields, write_value


class Codec(Protocol):
    """What the owner of the records says about their faces.

    `load` and `store` choose what people see of a value; `render` and `parse` how it looks. Both
    pairs must be exact: `parse(render(fields))` has the same fields as `fields`, whichever they
    are, because a field that gets lost on the way would look like one that a person removed.
    """

    @property
    def suffix(self) -> str:
        """The end of the files' names, with its dot."""
        ...

    def load(self, value: bytes) -> Fields:
        """Return the fields of a record's value that people see.

        Raises:
            FaceError: the value has no such fields.
        """
        ...

    def store(self, fields: Fields, value: bytes) -> bytes:
        """Return `value` with `fields` in place of those that people see; the others stay."""
        ...

    def render(self, fields: Fields) -> str:
        """Return the text of the file.

        Raises:
            FaceError: the fields cannot be shown.
        """
        ...

    def parse(self, text: str) -> Fields:
        """Return the fields that a text stands for. People have edited it: expect anything.

        Raises:
            FaceError: the text is broken.
        """
        ...


class JsonValues:
    """The half of a codec for records whose value is a JSON object that people see as it is."""

    def load(self, value: bytes) -> Fields:
        try:
            return read_fields(value.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError as error:
            raise FaceError(1, "the value is no JSON text") from error

    def store(self, fields: Fields, value: bytes) -> bytes:  # noqa: ARG002 - all of it is seen
        return write_value(fields, sort=False).encode()


class JsonCodec(JsonValues):
    """Show a record as a JSON object with sorted members, one a line."""

    suffix = ".json"

    def render(self, fields: Fields) -> str:
        return write_value(fields, indent=2) + "\n"

    def parse(self, text: str) -> Fields:
        return read_fields(text)


def decode_text(data: bytes) -> str:
    """Return the text of a file, without the marks that some editors leave.

    Raises:
        FaceError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FaceError(line, "the file is no UTF-8 text; save it as UTF-8") from error


def encode_text(text: str) -> bytes:
    """Return the bytes of a file.

    Raises:
        FaceError: the codec made a text that no file can hold.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise FaceError(1, f"the codec made a text that is not valid Unicode: {error}") from error
