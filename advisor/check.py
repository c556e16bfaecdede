"""Checks: declarative files that say what the figures of one chip must hold among themselves, and what is plausible.

A rule speaks about a request; a check speaks about a spec, and is asked when the spec is validated or comes from a user.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from engine.accelerator import Accelerator
from engine.catalog import Reading, data_root
from engine.documents import Document
from engine.errors import ExpressionError, Fault, Severity, closest, unknown
from engine.expressions import check_names, parse
from engine.folders import LeftOut, our_layer
from engine.places import pointer_of
from engine.quantity import Identifier, Key, Model, RuleId, Source, Text, Tuple

from .chip_facts import NUMBERS, TEXTS, UNITS, Facts, Scope, facts_of
from .facts import fill, placeholders
from .rule import Examples, load_kind

FOLDER: Final = "checks"
"""Where checks stand in a spec directory."""


class Check(Model):
    """One check. It is not asked where a check of `unless` has found something on the same chip."""

    id: RuleId
    title: Text
    scope: Scope
    severity: Severity = "error"
    when: Annotated[str, Field(min_length=1)]
    unless: Annotated[tuple[RuleId, ...], Tuple] = ()
    at: Annotated[str, Field(pattern=r"^[a-z_{}]+(/[a-z_{}]+)*$")]
    found: Text
    expected: Text
    source: Key
    examples: Examples

    def fires(self, facts: Facts) -> bool:
        """Return whether the check finds something; on an unknown fact, or one too large to reckon with, it does not."""
        try:
            return bool(parse(self.when)(facts))
        except ExpressionError:
            return False

    def place(self, facts: Facts) -> tuple[str, ...]:
        """Return the path of what the check is about."""
        return tuple(fill(self.at, facts, UNITS).split("/"))


class CheckFile(Model):
    """The checks of one subject."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    id: Identifier
    about: Text
    sources: Annotated[dict[Key, Source], Field(min_length=1)]
    checks: Annotated[tuple[Check, ...], Field(min_length=1), Tuple]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A check that fired, where, and the facts it fired on."""

    check: Check
    path: tuple[str, ...]
    facts: Facts

    @property
    def key(self) -> tuple[str, str]:
        """Return the id of the check and the place, as exceptions name them."""
        return self.check.id, pointer_of(self.path)

    def fault(self, document: Document) -> Fault:
        """Return the finding as a fault of a document."""
        check = self.check
        found, expected = (fill(text, self.facts, UNITS) for text in (check.found, check.expected))
        return document.fault(self.path, found, expected, rule=check.id, severity=check.severity)


def standing(chip: Accelerator, findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings on a chip that none of its exceptions excuses and that no other of them explains (`unless`)."""
    excused = {(exempt.check, exempt.at) for exempt in chip.exceptions}
    left = [finding for finding in findings if finding.key not in excused]
    fired = {finding.check.id for finding in left}
    return [finding for finding in left if not fired.intersection(finding.check.unless)]


@dataclass(frozen=True, kw_only=True)
class Checkbook:
    """All checks by id, in order, and the file that each stands in.

    `left_out` are the user's files that are missing for their faults, `warnings` the findings that leave a file valid.
    """

    checks: Mapping[str, Check]
    files: Mapping[str, CheckFile]
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[Fault, ...] = ()

    def __getitem__(self, name: str) -> Check:
        """Return the check of an id. Raises UnknownNameError."""
        if name.upper() not in self.checks:
            raise unknown("check", name, self.checks)
        return self.checks[name.upper()]

    def findings(self, chip: Accelerator) -> list[Finding]:
        """Return what every check finds on a chip, as if nothing else were wrong with it and it had no exceptions."""
        scopes = facts_of(chip)
        return [
            Finding(check=check, path=check.place(facts), facts=facts)
            for check in self.checks.values()
            for facts in scopes[check.scope]
            if check.fires(facts)
        ]

    def judge(self, document: Document, spec: Model) -> Iterator[Fault]:
        """Yield a fault for every finding on a chip that stands, and for every exception that excuses nothing."""
        if isinstance(spec, Accelerator):
            found = self.findings(spec)
            yield from (finding.fault(document) for finding in standing(spec, found))
            yield from self._stale(document, spec, {finding.key for finding in found})

    def _stale(self, document: Document, chip: Accelerator, found: set[tuple[str, str]]) -> Iterator[Fault]:
        for index, exempt in enumerate(chip.exceptions):
            path = ("exceptions", index)
            if exempt.check not in self.checks:
                expected = f"one of {', '.join(self.checks)}"
                yield document.fault(
                    (*path, "check"), f"no check {exempt.check!r}", expected, closest(exempt.check, self.checks), rule="S217"
                )
            elif (exempt.check, exempt.at) not in found:
                places = [at for check, at in sorted(found) if check == exempt.check]
                yield document.fault(
                    (*path, "at"),
                    f"{exempt.check} finds nothing at {exempt.at}",
                    f"no exception to it, or one at {' or '.join(places)}" if places else "no exception to it",
                    rule="S217",
                )


def load_checks(extra: Sequence[Path] = (), *, strict: bool = True) -> Checkbook:
    """Return all checks, ours and those in the folder `checks` of `extra` spec directories, which win by id.

    Raises SpecError with every fault of every file. If not `strict`, files of the user's with errors are left out instead, and
    the checkbook says which.
    """
    reading = Reading()
    files = [*_ours()]
    for directory in filter(has_checks, extra):
        layers = [{}, our_layer(directory, (FOLDER,))]
        meaning = partial(check_checks, known=_ids(files))
        files += [file for _, file in load_kind("check", CheckFile, layers, reading, meaning)]
    reading.check(strict=strict)
    owners = {check.id: (file, check) for file in files for check in file.checks}
    return Checkbook(
        checks={name: check for name, (_, check) in sorted(owners.items())},
        files={name: file for name, (file, _) in owners.items()},
        left_out=tuple(reading.left_out),
        warnings=tuple(reading.warnings),
    )


def has_checks(directory: Path) -> bool:
    """Return whether a spec directory has checks of its own."""
    return os.path.isdir(directory / FOLDER)  # noqa: PTH112 - any text is a path here


@lru_cache(maxsize=1)
def _ours() -> tuple[CheckFile, ...]:
    reading = Reading()
    layers = [our_layer(data_root() / "specs", (FOLDER,))]
    files = load_kind("check", CheckFile, layers, reading, check_checks)
    reading.check(strict=True)
    return tuple(file for _, file in files)


def _ids(files: Iterable[CheckFile]) -> frozenset[str]:
    return frozenset(check.id for file in files for check in file.checks)


def check_checks(document: Document, model: Model | None, known: frozenset[str] = frozenset()) -> Iterator[Fault]:
    """Yield the faults of meaning of a file of checks: unknown facts, unsafe expressions, examples that fail.

    `known` are the ids of the checks of other files, which `unless` may name.
    """
    if not isinstance(model, CheckFile):
        return
    ids = [check.id for check in model.checks]
    for index, check in enumerate(model.checks):
        path = ("checks", index)
        if check.id in ids[:index]:
            yield document.fault((*path, "id"), f"the id {check.id!r} occurs twice", "an id of its own", rule="S214")
        for name in sorted({*check.unless} - {*ids} - known):
            yield document.fault(
                (*path, "unless"), f"no check {name!r}", "ids of checks", closest(name, {*ids} | known), rule="S217"
            )
        faults = [*_check_condition(document, (*path, "when"), check), *_check_texts(document, path, check)]
        yield from faults
        if not faults:
            yield from _check_examples(document, (*path, "examples"), check)


def _check_condition(document: Document, path: tuple[str | int, ...], check: Check) -> Iterator[Fault]:
    try:
        check_names(parse(check.when), NUMBERS[check.scope].keys())
    except ExpressionError as error:
        yield document.fault(
            path, str(error), f"an expression over the facts of scope {check.scope} in docs/rules.md", rule="S209"
        )


def _check_texts(document: Document, path: tuple[str | int, ...], check: Check) -> Iterator[Fault]:
    texts = {*TEXTS["chip"], *TEXTS[check.scope]}
    known = texts | NUMBERS[check.scope].keys()
    for name, admitted in (("at", texts), ("found", known), ("expected", known)):
        for fact in sorted(placeholders(getattr(check, name)) - admitted):
            expected = f"a {'text' if name == 'at' else 'fact'} of scope {check.scope} in docs/rules.md"
            yield document.fault((*path, name), f"the unknown fact {fact!r}", expected, closest(fact, admitted), rule="S210")


def _check_examples(document: Document, path: tuple[str | int, ...], check: Check) -> Iterator[Fault]:
    condition = parse(check.when)
    for name, wanted in (("fires", True), ("silent", False)):
        facts: Mapping[str, Any] = getattr(check.examples, name)
        try:
            truth = bool(condition(facts))
        except ExpressionError as error:
            yield document.fault((*path, name), str(error), "a value for every fact of `when`", rule="S212")
            continue
        if truth is not wanted:
            told = ("fires", "is silent") if truth else ("is silent", "fires")
            yield document.fault((*path, name), f"{check.id} {told[0]} on it", f"facts on which it {told[1]}", rule="S212")
