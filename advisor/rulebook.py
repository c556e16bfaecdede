"""Rules and profiles as an answer asks them: plain values, whatever files they came from (`rule.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine import ranges
from engine.errors import unknown
from engine.expressions import parse

from .facts import fill

if TYPE_CHECKING:
    from engine.errors import Fault
    from engine.folders import LeftOut

FAMILIES: Final = ("feasibility", "latency", "efficiency", "energy", "trust")
"""Families of rules in the order in which they are asked."""
Document = Mapping[str, str]
"""A source: title, publisher, url, date, or what it assumes."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule. `scope` "headline" bars a chip from being recommended but leaves it among the alternatives."""

    id: str
    title: str
    verdict: str
    scope: str
    when: str
    because: str
    shortfall: str | None
    would_need: str | None
    source: str
    fires_on: Mapping[str, float]
    """facts with which it fires"""
    silent_on: Mapping[str, float]
    """facts with which it is silent"""

    def fires(self, facts: Mapping[str, Any]) -> bool | None:
        """Return whether the rule fires on plain facts, or None when an unknown fact decides."""
        truth = parse(self.when)(facts)
        return None if truth is None else bool(truth)

    def over(self, facts: Mapping[str, Any]) -> Any:
        """Return 1.0, 0.0 or NaN for unknown, for arrays of facts."""
        return parse(self.when).over(facts)

    def between(self, facts: Mapping[str, ranges.Range]) -> ranges.Range:
        """Return what it may be where facts lie between bounds."""
        return parse(self.when).between(facts)

    @property
    def names(self) -> frozenset[str]:
        """Return the facts that decide it."""
        return parse(self.when).names

    def message(self, facts: Mapping[str, Any]) -> str:
        """Return why the rule fires, with its numbers."""
        return fill(self.because, facts)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What counts as best: an objective over facts, and constraints that chips must meet."""

    id: str
    name: str
    objective: str
    maximize: str | None
    minimize: str | None
    constraints: tuple[str, ...]
    because: str
    batches: str
    """up_to_knee, or any"""
    in_matrix: bool

    def score(self, facts: Mapping[str, Any]) -> Any:
        """Return the objective over arrays of facts; more is better."""
        return parse(self.maximize).over(facts) if self.maximize else -parse(self.minimize or "0").over(facts)

    def score_between(self, facts: Mapping[str, ranges.Range]) -> ranges.Range:
        """Return what the objective may be where facts lie between bounds."""
        if self.maximize:
            return parse(self.maximize).between(facts)
        cost = parse(self.minimize or "0").between(facts)
        return ranges.Range(-cost.high, -cost.low, cost.known, cost.unknown)

    def admits(self, facts: Mapping[str, Any]) -> Any:
        """Return 1.0, 0.0 or NaN for unknown: whether chips meet every constraint."""
        truths = [np.asarray(parse(constraint).over(facts)) for constraint in self.constraints]
        return np.min(np.broadcast_arrays(*truths), axis=0) if truths else np.ones(())

    def admits_between(self, facts: Mapping[str, ranges.Range]) -> ranges.Range:
        """Return whether chips may meet every constraint where facts lie between bounds."""
        truths = [parse(constraint).between(facts) for constraint in self.constraints]
        return ranges.connect(truths, deciding=False) if truths else ranges.Range.of(np.ones(()), np.ones(()))

    @property
    def names(self) -> frozenset[str]:
        """Return the facts that its objective and its constraints use."""
        texts = [text for text in (self.maximize, self.minimize, *self.constraints) if text]
        return frozenset().union(*(parse(text).names for text in texts))


@dataclass(frozen=True, kw_only=True)
class Rulebook:
    """All rules in the order in which they are asked, family and source of each by its id, and all profiles by id.

    `left_out` are the user's files that are missing for their faults, `warnings` the findings that leave a file valid.
    """

    rules: tuple[Rule, ...]
    family: Mapping[str, str]
    sources: Mapping[str, Document]
    profiles: Mapping[str, Profile]
    specs: Mapping[str, Any] = field(default_factory=dict)
    """the same rules and profiles as their files have them, by id, where files were read"""
    left_out: tuple[LeftOut, ...] = field(default=())
    warnings: tuple[Fault, ...] = field(default=())

    def of(self, *verdicts: str, scope: str = "candidate") -> tuple[Rule, ...]:
        """Return the rules with a verdict and a scope, in order."""
        return tuple(rule for rule in self.rules if rule.verdict in verdicts and rule.scope == scope)

    def __getitem__(self, name: str) -> Rule:
        """Return the rule of an id. Raises UnknownNameError."""
        found = next((rule for rule in self.rules if rule.id == name.upper()), None)
        if found is None:
            raise unknown("rule", name, [rule.id for rule in self.rules])
        return found

    def profile(self, name: str) -> Profile:
        """Return the profile of an id or of the word for its objective. Raises UnknownNameError."""
        words = {profile.objective: profile.id for profile in self.profiles.values()}
        if (key := words.get(name, name)) not in self.profiles:
            raise unknown("profile", name, [*self.profiles, *words])
        return self.profiles[key]


def messages(rules: Iterable[Rule], facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return id, verdict and reason of every rule that fires on plain facts."""
    return [
        {"rule": rule.id, "verdict": rule.verdict, "because": rule.message(facts)}
        for rule in rules
        if rule.fires(facts) is True
    ]
