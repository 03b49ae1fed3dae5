"""LatencyTable: how long each layer of a model takes, as plain data."""

import dataclasses
import json
import math
import os

_FORMAT = "keras_nas.LatencyTable"
_VERSION = 1
_FACTS = ("device", "versions", "settings")
_FIELDS = {"format", "version", "layers", *_FACTS}
_ENTRY = {"macs", "microseconds"}


@dataclasses.dataclass(frozen=True)
class LatencyTable:
    """How long each layer with multiply-adds takes on one device.

    `keras_nas.measure_latency` makes one on the CPU of this machine; one that
    was measured elsewhere, such as on a phone, is written by hand. Pass it to
    `keras_nas.ExpectedLatency`. A layer is known by its name. The numbers of a
    layer that is called several times, and those of layers of one name in
    several nested models, are sums over all calls.

    Args:
        layers: Dictionary from the name of a layer to
            `{"macs": int, "microseconds": float}`: its multiply-adds for one
            sample, at its full size, and how long they take.
        device: Dictionary of facts about the device.
        versions: Dictionary from the name of a package to its version.
        settings: Dictionary of how it was measured, such as `num_threads`.

    Raises:
        ValueError: If a field has the wrong type, naming the field.

    Example:

    >>> import keras_nas
    >>> table = keras_nas.LatencyTable(
    ...     {"conv": {"macs": 4000, "microseconds": 2.0}}
    ... )
    >>> table.rate("conv"), table.microseconds
    (0.0005, 2.0)
    >>> keras_nas.LatencyTable.from_dict(table.as_dict()) == table
    True
    """

    layers: dict
    device: dict = dataclasses.field(default_factory=dict)
    versions: dict = dataclasses.field(default_factory=dict)
    settings: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        is_dict = isinstance(self.layers, dict)
        _expect(is_dict, "layers", "a dictionary", self.layers)
        for name, entry in self.layers.items():
            _expect(isinstance(name, str), "layers", "string names", name)
            _check_entry(f"layers[{name!r}]", entry)
        for field in _FACTS:
            facts = getattr(self, field)
            _expect(isinstance(facts, dict), field, "a dictionary", facts)
            for key, value in facts.items():
                _expect(isinstance(key, str), field, "string names", key)
                _expect(
                    _is_plain(value),
                    f"{field}[{key!r}]",
                    "a finite number, string, boolean or None",
                    value,
                )

    @property
    def microseconds(self):
        """The sum over all layers."""
        return math.fsum(e["microseconds"] for e in self.layers.values())

    def rate(self, name):
        """Returns the microseconds of one multiply-add of a layer.

        Args:
            name: String, the name of the layer.

        Raises:
            ValueError: If the table lacks the layer.
        """
        if name not in self.layers:
            raise ValueError(
                "Invalid value received for argument `name`. Expected the "
                "name of a layer of the latency table. Received: "
                f"name={name!r}, and the table has {self._names()}"
            )
        entry = self.layers[name]
        return entry["microseconds"] / entry["macs"]

    def merge(self, other):
        """Returns a table with the layers of both.

        Use it where two models share a cost, as a supernet and a network to
        compare with it. Where both know a layer, this table counts.

        Args:
            other: A `LatencyTable`, measured in the same way.

        Raises:
            ValueError: If `other` is no table, or one of another device,
                other versions or settings.
        """
        if not isinstance(other, LatencyTable):
            raise ValueError(
                "Invalid value received for argument `other`. Expected a "
                f"`keras_nas.LatencyTable`. Received: other={other!r}"
            )
        for field in _FACTS:
            ours, theirs = getattr(self, field), getattr(other, field)
            if ours != theirs:
                raise ValueError(
                    "Invalid value received for argument `other`. Expected a "
                    f"table with the {field} {ours}. Received: one with "
                    f"{theirs}. Measure both in the same way."
                )
        layers = {**self.layers, **other.layers, **self.layers}
        return dataclasses.replace(self, layers=layers)

    def as_dict(self):
        """Returns plain data for JSON."""
        data = {"format": _FORMAT, "version": _VERSION}
        return {**data, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, data):
        """Returns the table that `as_dict` has made plain data of.

        Args:
            data: Dictionary.

        Raises:
            ValueError: If the data does not fit the schema.
        """
        _expect(isinstance(data, dict), "the top level", "an object", data)
        _expect(data.get("format") == _FORMAT, "format", _FORMAT, data)
        _expect(
            data.get("version") == _VERSION,
            "version",
            f"{_VERSION} (written by a newer keras_nas?)",
            data.get("version"),
        )
        _expect(set(data) == _FIELDS, "the fields", _FIELDS, set(data))
        return cls(data["layers"], *(data[field] for field in _FACTS))

    def save(self, path):
        """Writes the table to a JSON file, at once or not at all."""
        temporary = f"{path}.tmp"
        with open(temporary, "w") as file:
            file.write(json.dumps(self.as_dict(), indent=1) + "\n")
        os.replace(temporary, path)

    @classmethod
    def load(cls, path):
        """Reads a table from a JSON file; nothing in it is run.

        Args:
            path: Path of a file as written by `save`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is not JSON or does not fit the schema.
        """
        with open(path) as file:
            try:
                data = json.load(file)
            except ValueError as error:
                raise ValueError(
                    "Invalid latency table. Expected a JSON file as written "
                    f"by `LatencyTable.save`. Received: {str(path)!r}. {error}"
                ) from error
        return cls.from_dict(data)

    def __str__(self):
        width = max([5, *map(len, self.layers)])
        line = f"{{:<{width}}}  {{:>15}} {{:>14}}"
        rows = [line.format("layer", "MACs", "microseconds")]
        for name, entry in self.layers.items():
            time = f"{entry['microseconds']:,.2f}"
            rows.append(line.format(name, f"{entry['macs']:,}", time))
        macs = sum(entry["macs"] for entry in self.layers.values())
        total = f"{self.microseconds:,.2f}"
        rows.append(line.format("total", f"{macs:,}", total))
        return "\n".join(rows)

    def _names(self):
        names = list(self.layers)
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return f"{names[:5]}{more}"


def _check_entry(field, entry):
    fits = isinstance(entry, dict) and set(entry) == _ENTRY
    expected = "a dictionary with 'macs' and 'microseconds'"
    _expect(fits, field, expected, entry)
    macs, time = entry["macs"], entry["microseconds"]
    _expect(
        type(macs) is int and macs > 0,
        f"{field}['macs']",
        "an integer above 0",
        macs,
    )
    _expect(
        type(time) in (int, float) and math.isfinite(time) and time > 0,
        f"{field}['microseconds']",
        "a finite number above 0",
        time,
    )


def _is_plain(value):
    if isinstance(value, float):
        return math.isfinite(value)  # JSON has no others.
    return value is None or isinstance(value, (bool, int, str))


def _expect(condition, field, expected, received):
    if not condition:
        raise ValueError(
            f"Invalid value of field {field} of a latency table. Expected "
            f"{expected}. Received: {str(received)[:200]}"
        )
