"""What can go wrong in the engine: one base error, a few kinds, and the nearest valid name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable


MANY: Final = 1000
"""Among more names than this none is suggested."""


Severity = Literal["error", "warning"]


class RoofwiseError(Exception):
    """Any fault that Roofwise reports to its user; the message names the thing, the value and the remedy."""


class UnitError(RoofwiseError, ValueError):
    """A quantity has a unit that does not fit, or none."""


class ExpressionError(RoofwiseError, ValueError):
    """A text is not an expression of the safe grammar."""


class DomainError(RoofwiseError, ValueError):
    """A closed form was asked for a point outside the domain on which it holds."""


class UnknownNameError(RoofwiseError, LookupError):
    """A name is in no catalogue; the message suggests the nearest that is."""


class GraphError(RoofwiseError, ValueError):
    """A workload's operators do not fit together; `index` is the line of its graph that is at fault, where one is."""

    index: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a file: where it is (1-based line and column, JSON pointer), what is there, what was expected.

    `rule` is the id of the check that found it. A warning leaves the file valid.
    """

    file: str
    line: int
    column: int
    pointer: str
    found: str
    expected: str
    suggestion: str = ""
    rule: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        """Return the fault on one line, clickable in editors: ``file:line:col: pointer: found; expected [rule]``."""
        return f"{self.file}:{self.line}:{self.column}: {self.pointer or '/'}: {self.message}"

    @property
    def message(self) -> str:
        """Return what was found, what was expected, the nearest valid name, and the id of the check."""
        hint = f"; did you mean {self.suggestion}?" if self.suggestion else ""
        rule = f" [{self.rule}]" if self.rule else ""
        return f"{self.found}; expected {self.expected}{hint}{rule}"


class SpecError(RoofwiseError, ValueError):
    """One or more spec files are wrong; `faults` lists every fault that was found."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        """Keep the faults; the message is one line for each."""
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def closest(name: str, choices: Iterable[str]) -> str:
    """Return the choice nearest to `name`, or an empty string.

    >>> closest("resnet5", ["resnet18", "resnet50", "bert-base"])
    'resnet50'
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only a name that is wrong needs it

    known = list(choices)
    if len(known) > MANY:
        return ""
    folded = {choice.lower(): choice for choice in sorted(known, reverse=True)}
    matches = get_close_matches(name.lower()[:100], folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else ""


def listed(names: Iterable[str], most: int = 20) -> str:
    """Return names for a message, sorted; of many the first.

    >>> listed(["b", "a", "c"], 2)
    'a, b and 1 more'
    """
    known = sorted(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(name[:60] for name in known[:most]) + more


def unknown(kind: str, name: str, choices: Iterable[str]) -> UnknownNameError:
    """Return the error for a name that is in no catalogue.

    >>> print(unknown("workload", "resnet5", ["resnet50"]))
    no workload 'resnet5'; did you mean resnet50?
    """
    known = sorted(choices)
    near = closest(name, known)
    hint = f"did you mean {near}?" if near else f"there are: {', '.join(known)}"
    return UnknownNameError(f"no {kind} {name[:100]!r}; {hint}")
