"""What papers count as FLOPs and as parameters, which differs among them."""

import dataclasses

from keras_nas.graph import COST_PARTS

_TITLES = {"macs": "multiply-adds", "pool": "elements read by global pools"}


@dataclasses.dataclass(frozen=True)
class Convention:
    """Which parts of a cost add up to FLOPs and to parameters.

    Pass one of your own, or the name of one of `CONVENTIONS`, to the methods
    of a `Cost`.

    Args:
        name: String.
        flops: Tuple of names of parts of a `Cost`: those in its FLOPs.
        params: Tuple of names of parts: those in its parameters.
        source: String, who counts like this.

    Raises:
        ValueError: If there is no part of such a name.

    Example:

    >>> from keras_nas.costs import CONVENTIONS
    >>> print(CONVENTIONS["fbnet"].params)
    ('kernels',)
    """

    name: str
    flops: tuple
    params: tuple
    source: str

    def __post_init__(self):
        for field in ("flops", "params"):
            parts = getattr(self, field)
            if not set(parts) <= set(COST_PARTS):
                raise ValueError(
                    f"Invalid value received for argument `{field}`. Expected "
                    f"a tuple of some of {COST_PARTS}. Received: {parts}"
                )

    def __str__(self):
        flops, params = (
            " + ".join(_TITLES.get(part, part) for part in parts)
            for parts in (self.flops, self.params)
        )
        return f"{self.name}: FLOPs = {flops}; params = {params}"


_TRAINED = ("kernels", "biases", "norm")

CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention(
            "fbnet",
            ("macs", "pool"),
            ("kernels",),
            "FBNet and FBNetV2, as mobile-vision's tool prints them",
        ),
        Convention(
            "atomnas",
            ("macs", "pool"),
            ("kernels", "biases"),
            "AtomNAS",
        ),
        Convention(
            "attentivenas",
            ("macs",),
            _TRAINED,
            "AttentiveNAS; it prints no parameters, so all trained ones count",
        ),
        Convention(
            "bignas",
            ("macs",),
            _TRAINED,
            "BigNAS, selected by its fit to the printed numbers",
        ),
    )
}


def find_convention(convention):
    """Returns a convention by its name, or itself.

    Raises:
        ValueError: If there is no convention of that name.
    """
    if isinstance(convention, Convention):
        return convention
    if not isinstance(convention, str) or convention not in CONVENTIONS:
        raise ValueError(
            "Invalid value received for argument `convention`. Expected one "
            f"of {list(CONVENTIONS)}, or a `keras_nas.costs.Convention`. "
            f"Received: convention={convention!r}"
        )
    return CONVENTIONS[convention]
