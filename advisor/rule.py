"""Rules and profiles: declarative files that say what excludes, prefers, warns and advises, and what counts as best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from engine.catalog import OURS, Reading, data_root, load_document
from engine.documents import Document
from engine.errors import ExpressionError, Fault, closest
from engine.expressions import check_names, parse
from engine.folders import Layer, LeftOut, our_layer, user_layer
from engine.quantity import Identifier, Key, Model, RuleId, Source, Text, Tuple

from . import rulebook
from .facts import AFTER_EXCLUSION, AFTER_RANKING, NUMBERS, TEXTS, placeholders
from .rulebook import FAMILIES, Rulebook

Family = Literal["feasibility", "latency", "efficiency", "energy", "trust"]
Verdict = Literal["exclude", "prefer", "warn", "advise"]
Need = Literal[
    "devices_for_memory",
    "devices_for_throughput",
    "peak_or_bandwidth_for_limit",
    "latency_limit",
    "energy_limit",
    "power_limit",
    "memory_limit",
]


class Examples(Model):
    """Facts with which the rule fires, and facts with which it is silent; a test runs both."""

    fires: dict[Key, float]
    silent: dict[Key, float]


class Rule(Model):
    """One rule. `scope` "headline" bars a chip from being recommended but leaves it among the alternatives."""

    id: RuleId
    """a letter and three digits; one of ours is replaced"""
    title: Text
    """what it finds, in a few words"""
    verdict: Verdict
    """what it does"""
    scope: Literal["candidate", "headline"] = "candidate"
    """headline: only bars from being recommended"""
    when: Annotated[str, Field(min_length=1)]
    """a condition over the facts of docs/rules.md"""
    because: Text
    """why, with facts in braces"""
    shortfall: Annotated[str, Field(min_length=1)] | None = None
    """by how much a chip misses, 1 being just met"""
    would_need: Need | None = None
    """what would change the verdict"""
    source: Key
    """the key of its document in `sources`"""
    examples: Examples

    def plain(self) -> rulebook.Rule:
        """Return the rule as answers ask it."""
        return rulebook.Rule(
            id=self.id, title=self.title, verdict=self.verdict, scope=self.scope, when=self.when, because=self.because,
            shortfall=self.shortfall, would_need=self.would_need, source=self.source, fires_on=self.examples.fires,
            silent_on=self.examples.silent,
        )  # fmt: skip


class RuleFile(Model):
    """The rules of one family."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    id: Family
    """the family, which says when its rules are asked"""
    about: Text
    """what the rules are about"""
    sources: Annotated[dict[Key, Source], Field(min_length=1)]
    """every document that a rule names"""
    rules: Annotated[tuple[Rule, ...], Field(min_length=1), Tuple]
    """one or more"""


class Profile(Model):
    """What counts as best: an objective over facts, and constraints that chips must meet."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    id: Identifier
    """unique; a profile with the id of one of ours replaces it"""
    name: Text
    """for people"""
    objective: Annotated[str, Field(pattern=r"^[a-z]+$", description="the word for --objective")]
    maximize: Annotated[str, Field(min_length=1)] | None = None
    """an expression over the facts of docs/rules.md"""
    minimize: Annotated[str, Field(min_length=1)] | None = None
    """the same; exactly one of the two is given"""
    constraints: Annotated[tuple[str, ...], Tuple] = ()
    """conditions that a chip must meet"""
    because: Text
    """what it ranks by, in a few words"""
    batches: Literal["up_to_knee", "any"] = "up_to_knee"
    """any: also beyond the knee"""
    in_matrix: bool = True
    """whether it is among the winners of other answers"""
    sources: Annotated[dict[Key, Source], Field(min_length=1)]
    """every document that it names"""
    source: Key
    """the key of its document in `sources`"""

    def plain(self) -> rulebook.Profile:
        """Return the profile as answers ask it."""
        return rulebook.Profile(
            id=self.id, name=self.name, objective=self.objective, maximize=self.maximize, minimize=self.minimize,
            constraints=self.constraints, because=self.because, batches=self.batches, in_matrix=self.in_matrix,
        )  # fmt: skip


def check_rules(document: Document, model: Model | None) -> Iterator[Fault]:
    """Yield the faults of meaning of a rule file or a profile: unknown facts, unsafe expressions, examples that fail."""
    if isinstance(model, RuleFile):
        seen: set[str] = set()
        for index, rule in enumerate(model.rules):
            if rule.id in seen:
                yield document.fault(
                    ("rules", index, "id"), f"the id {rule.id!r} occurs twice", "an id of its own", rule="S214"
                )
            seen.add(rule.id)
            yield from _check_rule(document, ("rules", index), rule)
    if isinstance(model, Profile):
        expressions: list[tuple[tuple[str | int, ...], str | None]] = [
            (("maximize",), model.maximize),
            (("minimize",), model.minimize),
            *((("constraints", index), text) for index, text in enumerate(model.constraints)),
        ]
        if (model.maximize is None) == (model.minimize is None):
            yield document.fault(("maximize",), "both or neither of maximize and minimize", "exactly one of them", rule="S213")
        for path, text in expressions:
            if text is not None:
                yield from _check_expression(document, path, text)


def _check_expression(document: Document, path: tuple[str | int, ...], text: str) -> Iterator[Fault]:
    try:
        check_names(parse(text), NUMBERS.keys())
    except ExpressionError as error:
        yield document.fault(path, str(error), "an expression over the facts of docs/rules.md", rule="S209")


def _check_rule(document: Document, path: tuple[str | int, ...], rule: Rule) -> Iterator[Fault]:
    yield from _check_timing(document, (*path, "when"), rule)
    faults = [
        fault
        for name in ("when", "shortfall")
        if (text := getattr(rule, name)) is not None
        for fault in _check_expression(document, (*path, name), text)
    ]
    for name in sorted(placeholders(rule.because) - NUMBERS.keys() - TEXTS.keys()):
        near = closest(name, [*NUMBERS, *TEXTS])
        found, expected = f"the unknown fact {name!r}", "a fact of docs/rules.md"
        faults.append(document.fault((*path, "because"), found, expected, near, rule="S210"))
    yield from faults
    if not faults:
        yield from _check_examples(document, path, rule)


def _check_timing(document: Document, path: tuple[str | int, ...], rule: Rule) -> Iterator[Fault]:
    """Yield a fault where an excluding rule uses a fact that is known only once exclusion is over."""
    if rule.verdict != "exclude":
        return
    late = AFTER_RANKING if rule.scope == "headline" else AFTER_EXCLUSION | AFTER_RANKING
    try:
        names = parse(rule.when).names
    except ExpressionError:
        return
    for name in sorted(names & late):
        found = f"{name!r} is known only after chips were excluded"
        yield document.fault(path, found, "a fact about request, chip or batch", rule="S211")


def _check_examples(document: Document, path: tuple[str | int, ...], rule: Rule) -> Iterator[Fault]:
    for name, wanted in (("fires", True), ("silent", False)):
        facts: Mapping[str, float] = getattr(rule.examples, name)
        try:
            truth = rule.plain().fires(facts)
        except ExpressionError as error:
            yield document.fault((*path, "examples", name), str(error), "a value for every fact of `when`", rule="S212")
            continue
        if truth is not wanted:
            shown = {True: "fires", False: "is silent", None: "is undecided"}[truth]
            expected = f"facts on which it {'fires' if wanted else 'is silent'}"
            yield document.fault((*path, "examples", name), f"{rule.id} {shown} on it", expected, rule="S212")


def load_rulebook(extra: Sequence[Path] = (), *, strict: bool = True) -> Rulebook:
    """Return all rules and profiles, ours and those in `extra` spec directories, which win by id.

    Raises SpecError with every fault of every file. If not `strict`, files of the user's with errors are left out instead, and
    the rulebook says which.
    """
    reading = Reading()
    layers = [our_layer(data_root() / "specs", ("rules", "profiles")), *map(user_layer, extra)]
    files = load_kind("rule", RuleFile, layers, reading, check_rules)
    profiles = load_kind("profile", Profile, layers, reading, check_rules)
    reading.check(strict=strict)
    owners = {rule.id: (file, spec.id, rule) for file, spec in files for rule in spec.rules}
    ordered = sorted(owners.values(), key=lambda owner: (FAMILIES.index(owner[1]), owner[2].id))
    where = {("rule", name): file for name, (file, _, _) in owners.items()}
    where |= {("profile", profile.id): file for file, profile in profiles}
    return Rulebook(
        rules=tuple(rule.plain() for _, _, rule in ordered),
        family={rule.id: family for _, family, rule in ordered},
        sources={rule.id: as_document(spec.sources[rule.source]) for _, spec in files for rule in spec.rules},
        profiles=dict(sorted({profile.id: profile.plain() for _, profile in profiles}.items())),
        specs={rule.id: rule for _, _, rule in ordered} | {profile.id: profile for _, profile in profiles},
        left_out=tuple(_with_stand_ins(item, where) for item in reading.left_out),
        warnings=tuple(reading.warnings),
    )


Meaning = Callable[[Document, Any], Iterable[Fault]]
"""What finds the faults of meaning of a document."""


def load_kind(
    kind: str, model: type[Any], layers: Sequence[Layer], reading: Reading, meaning: Meaning
) -> list[tuple[str, Any]]:
    """Return where it comes from and the spec of every valid document of a kind; what is wrong goes to `reading`.

    The first layer is ours and trusted: our tests have judged it.
    """
    found = []
    for number, layer in enumerate(layers):
        for document in layer.get(kind, ()):
            spec, wrong = load_document(document, model, trusted=number == 0)
            if spec is not None and number:
                wrong += meaning(document, spec)
            if reading.accept(document, kind, wrong, ours=number == 0):
                found.append((document.file if number else OURS, spec))
    return found


def _with_stand_ins(item: LeftOut, where: Mapping[tuple[str, str], str]) -> LeftOut:
    return replace(item, instead={name: where[item.kind, name] for name in item.ids if (item.kind, name) in where})


def as_document(source: Source) -> dict[str, str]:
    """Return a source as plain texts."""
    found: dict[str, str] = source.model_dump(exclude_none=True, mode="json")
    return found
