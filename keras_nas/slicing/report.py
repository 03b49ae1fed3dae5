"""SliceReport: what the slicer did, and why not more."""

import dataclasses


@dataclasses.dataclass
class SliceReport:
    """What `slice_model` did; `print` it for a table.

    Attributes:
        layers: List of `(name, type, kept, total)`: output channels of each
            layer with a kernel.
        removed: Names of the layers that are gone.
        folded: List of `(name, what)`: constants and factors that moved into
            weights.
        barriers: List of `(name, reason)`: layers that demanded all channels.
    """

    layers: list = dataclasses.field(default_factory=list)
    removed: list = dataclasses.field(default_factory=list)
    folded: list = dataclasses.field(default_factory=list)
    barriers: list = dataclasses.field(default_factory=list)

    def fold(self, name, what):
        self.folded.append((name, what))

    def __str__(self):
        width = max([len(row[0]) for row in self.layers] + [5])
        lines = [f"{'layer':<{width}}  {'type':<18} kept/total"]
        for name, type_, kept, total in self.layers:
            lines.append(f"{name:<{width}}  {type_:<18} {kept:>4}/{total}")
        for title, rows in (
            ("removed", [(name,) for name in self.removed]),
            ("folded", self.folded),
            ("kept whole", self.barriers),
        ):
            lines.extend(f"{title}: {': '.join(row)}" for row in rows)
        return "\n".join(lines)
