"""SliceReport: what the slicer did, and why not more."""

import dataclasses


@dataclasses.dataclass
class SliceReport:
    """What `slice_model` did; `print` it for a table.

    Attributes:
        layers: List of `(name, type, kept, total)`: output channels of each
            layer with a kernel.
        tied: List of lists of names: layers that share output channels, as
            the branches of an addition do.
        removed: Names of the layers that are gone.
        folded: List of `(name, what)`: constants and factors that moved into
            weights.
        barriers: List of `(name, reason)`: layers that demanded all channels.
    """

    layers: list = dataclasses.field(default_factory=list)
    tied: list = dataclasses.field(default_factory=list)
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
        for names in self.tied:
            shown = names if len(names) < 8 else [*names[:3], "...", names[-1]]
            lines.append(f"tied ({len(names)}): {' = '.join(shown)}")
        for title, rows in (
            ("removed", [(name,) for name in self.removed]),
            ("folded", self.folded),
            ("kept whole", self.barriers),
        ):
            lines.extend(f"{title}: {': '.join(row)}" for row in rows)
        return "\n".join(lines)


def tied_layers(groups):
    """Returns the lists of layers that have channels in common.

    Args:
        groups: Dictionary from the name of a layer to an integer array, the
            groups that its output channels belong to.

    Returns:
        List of lists of names, in order; layers by themselves are left out.
    """
    leader, members = {}, {name: [name] for name in groups}
    for name, numbers in groups.items():
        found = {leader[n] for n in set(numbers.tolist()) if n in leader}
        first = min(found, key=list(members).index, default=name)
        for other in found - {first}:
            members[first] += members.pop(other)
        if found:
            members[first] += members.pop(name)
        for member in members[first]:
            leader.update(dict.fromkeys(groups[member].tolist(), first))
    order = list(groups)
    return [
        sorted(names, key=order.index)
        for names in members.values()
        if len(names) > 1
    ]
