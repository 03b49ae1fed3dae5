"""Architecture: all decisions of one network, as plain data."""

import dataclasses
import json
import math
import os

_FORMAT = "keras_nas.Architecture"
_VERSION = 1
_FIELDS = {"format", "version", "name", "decisions"}


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The decisions that make one network out of a model or a space.

    It is the one exchange format: a search returns it, a file stores it, and
    `keras_nas.slice_model` and a search space's `build` take it.

    Args:
        name: String, the name of the model or space that is decided upon.
        decisions: Dictionary from the name of a decision to its value: a
            number, string, boolean, or a flat list of those. The decision of
            a channel mask is the list of the channels that are kept.

    Raises:
        ValueError: If a field has the wrong type, naming the field.

    Example:

    >>> import keras_nas
    >>> a = keras_nas.Architecture("net", {"conv_mask": [0, 2]})
    >>> keras_nas.Architecture.from_json(a.to_json()) == a
    True
    """

    name: str
    decisions: dict

    def __post_init__(self):
        _expect(isinstance(self.name, str), "name", "a string", self.name)
        _expect(
            isinstance(self.decisions, dict),
            "decisions",
            "a dictionary",
            self.decisions,
        )
        for key, value in self.decisions.items():
            _expect(isinstance(key, str), "decisions", "string names", key)
            values = value if isinstance(value, (list, tuple)) else [value]
            _expect(
                all(map(_is_plain, values)),
                f"decisions[{key!r}]",
                "a finite number, string, boolean, or a flat list of those",
                value,
            )

    def to_json(self):
        """Returns the architecture as a JSON string."""
        data = {"format": _FORMAT, "version": _VERSION}
        data.update(name=self.name, decisions=self.decisions)
        return json.dumps(data)

    @classmethod
    def from_json(cls, text):
        """Returns the architecture that a JSON string describes.

        Raises:
            ValueError: If the text is not JSON or does not fit the schema.
        """
        try:
            data = json.loads(text)
        except (TypeError, ValueError) as error:
            raise ValueError(
                "Invalid architecture. Expected JSON text as written by "
                f"`Architecture.to_json`. {error}"
            ) from error
        _expect(isinstance(data, dict), "the top level", "an object", data)
        _expect(data.get("format") == _FORMAT, "format", _FORMAT, data)
        _expect(
            data.get("version") == _VERSION,
            "version",
            f"{_VERSION} (written by a newer keras_nas?)",
            data.get("version"),
        )
        _expect(set(data) == _FIELDS, "the fields", _FIELDS, set(data))
        return cls(data["name"], data["decisions"])

    def save(self, path):
        """Writes the architecture to a JSON file, at once or not at all."""
        temporary = f"{path}.tmp"
        with open(temporary, "w") as file:
            file.write(self.to_json())
        os.replace(temporary, path)

    @classmethod
    def load(cls, path):
        """Reads an architecture from a JSON file."""
        with open(path) as file:
            return cls.from_json(file.read())


def _is_plain(value):
    if isinstance(value, float):
        return math.isfinite(value)  # JSON has no others.
    return isinstance(value, (bool, int, str))


def _expect(condition, field, expected, received):
    if not condition:
        raise ValueError(
            f"Invalid value of field {field} of an architecture. Expected "
            f"{expected}. Received: {str(received)[:200]}"
        )
