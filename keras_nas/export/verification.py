"""What `verify_export` found out."""

import dataclasses
import math


class ExportMismatchError(ValueError):
    """Raised when an exported artifact computes something else.

    Attributes:
        verification: The `Verification` with all figures.
    """

    def __init__(self, verification):
        self.verification = verification
        failed = [link for link in verification.links if not link.passed]
        super().__init__(
            "Exported artifacts do not compute the same: "
            + "; ".join(link.describe() for link in failed)
            + ".\n"
            + str(verification)
        )


@dataclasses.dataclass(frozen=True)
class Link:
    """The comparison of two neighbours in a chain of artifacts.

    Attributes:
        reference: Name of the artifact that is compared with.
        candidate: Name of the artifact that is compared.
        max_abs_diff: Float, the largest absolute difference of all outputs;
            `nan` where the outputs cannot be compared.
        max_rel_diff: Float, the largest difference of an output divided by
            the largest absolute value of that output of the reference.
        top1_agreement: Fraction of the samples on which the largest class is
            the same, or `None` if no output has the shape
            `(samples, classes)`.
        rtol: Float, the tolerance for `max_rel_diff`.
        passed: Boolean.
        problem: String, why the outputs cannot be compared, or empty.
    """

    reference: str
    candidate: str
    max_abs_diff: float
    max_rel_diff: float
    top1_agreement: float | None
    rtol: float
    passed: bool
    problem: str = ""

    def describe(self):
        """Returns one sentence with the names and the figures."""
        figures = self.problem or (
            f"largest difference {self.max_abs_diff:.3g}, relative to the "
            f"largest output {self.max_rel_diff:.3g}, allowed {self.rtol:.3g}"
        )
        return f"{self.reference} -> {self.candidate}: {figures}"

    def as_dict(self):
        """Returns plain data for JSON; what is not finite becomes `None`."""
        return {
            name: None
            if isinstance(value, float) and not math.isfinite(value)
            else value
            for name, value in dataclasses.asdict(self).items()
        }


@dataclasses.dataclass(frozen=True)
class Verification:
    """The result of `verify_export`; print it for a table.

    Attributes:
        links: Tuple of `Link`, one per pair of neighbours in the chain.
        num_samples: Number of samples that were compared.
        output_spread: Float, how far apart the outputs of the model are for
            different samples, relative to the largest output; `None` for a
            single sample or infinite outputs. Near 0, the outputs hardly
            depend on the samples and agreement proves little.
    """

    links: tuple[Link, ...]
    num_samples: int
    output_spread: float | None

    @property
    def is_conclusive(self):
        """Whether outputs of different samples differ by 1 percent or more."""
        return self.output_spread is None or self.output_spread >= 0.01

    @property
    def passed(self):
        """Whether all links passed."""
        return all(link.passed for link in self.links)

    def as_dict(self):
        """Returns plain data for JSON."""
        return {
            "passed": self.passed,
            "num_samples": self.num_samples,
            "output_spread": self.output_spread,
            "links": [link.as_dict() for link in self.links],
        }

    def __str__(self):
        header = ("reference", "candidate", "max abs", "max rel", "allowed")
        rows = [(*header, "top-1", "result")]
        for link in self.links:
            top1 = link.top1_agreement
            rows.append(
                (
                    link.reference,
                    link.candidate,
                    f"{link.max_abs_diff:.2e}",
                    f"{link.max_rel_diff:.2e}",
                    f"{link.rtol:.0e}",
                    "-" if top1 is None else f"{top1:.4f}",
                    "passed" if link.passed else f"FAILED {link.problem}",
                )
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width)
                for cell, width in zip(row, widths, strict=True)
            ).rstrip()
            for row in rows
        ]
        verdict = "the same" if self.passed else "NOT the same"
        lines.append(f"Computes {verdict} on {self.num_samples} samples.")
        if not self.is_conclusive:
            lines.append(
                "This proves little: the outputs hardly depend on the samples "
                f"(spread {self.output_spread:.0e} of the largest output)."
            )
        return "\n".join(lines)
