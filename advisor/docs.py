"""Prints pages from data and code: rules and checks, the catalogue, findings, operators, commands, and an answer in README.md.

`python -m advisor.docs --write` writes all, `--check` says which are stale; `python -m advisor.docs catalogue` prints one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from engine.catalog import data_root, load
from engine.codes import CODES
from engine.quantity import Source

from .catalogue import catalogue_text
from .check import Check, Checkbook, load_checks
from .chip_facts import CHIP, FORMAT, SIZE
from .chip_facts import TEXTS as CHECK_TEXTS
from .facts import NUMBERS, TEXTS
from .recommend import advise
from .reference import reference_text
from .report.layout import markdown_table
from .report.text import report
from .requirements import Requirements
from .rule import load_rulebook
from .rulebook import FAMILIES, Profile, Rule, Rulebook
from .vocabulary import vocabulary_text

INTRODUCTION: Final = """# Rules, profiles, checks and facts

Printed by `python -m advisor.docs --write` from `specs/rules`, `specs/profiles`, `specs/checks`, `advisor/facts.py` and
`advisor/chip_facts.py`: change those, not this page. How to write a rule, a profile or a check of your own:
[specs.md](specs.md).

A rule fires where its condition holds. A condition that an unknown value decides neither fires nor passes: the candidate
is *undetermined*. What a verdict does:

| Verdict | Effect |
| --- | --- |
| exclude | removes the candidate: a chip with one number format at one batch |
| exclude, headline | bars the chip from being recommended; it stays among the alternatives, marked |
| prefer | says what speaks for the recommendation |
| warn | says what to be careful about |
| advise | says what would make it better |

*Would need* is what a chip or the request would need for the rule not to fire; the answer gives its value and unit.
"""
FACTS: Final = """## Facts

What a condition, an objective or a message may use. A condition takes numbers only; a truth value is 1 or 0. A number
that is unknown stays unknown; it is never taken for 0.
"""
PROFILES: Final = """## Profiles

What counts as best among the candidates that meet every limit. Ask for one with `--profile`, or by its word with
`--objective`. *To the knee*: batches beyond the knee are offered only where no smaller one qualifies.
"""


CHECKS: Final = """## Checks of chips

What `advise validate` asks of an accelerator, and `--specs` of those in your folder. A check that an unknown figure decides is
silent. A warning leaves the spec valid. A check is not asked where one that *unless* names has found something on the same
chip, so that one mistake is told once. A finding that is no fault is excused by `exceptions` in the spec, with its reason.
"""
CHECK_FACTS: Final = """## Facts of checks

What the condition and the messages of a check may use: of the chip in every scope; of each number format in scope *format*; of
each memory or cache in scope *size*. Where a check points to may name texts only.
"""


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join(markdown_table([heading, *rows], [False] * len(heading))) + "\n"


def code(text: str | None) -> str:
    """Return a text as code, and nothing for none."""
    return f"`{text}`" if text else ""


def rule_row(rule: Rule, source: Mapping[str, str]) -> tuple[str, ...]:
    """Return the cells of one rule."""
    verdict = rule.verdict if rule.scope == "candidate" else f"{rule.verdict}, {rule.scope}"
    need = (rule.would_need or "").replace("_", " ")
    return rule.id, verdict, rule.title, code(rule.when), rule.because, cited(Source.model_validate(source)), need


def cited(source: Source) -> str:
    """Return a source as a link to its document, or as its title."""
    return f"[{source.title}]({source.url})" if source.url else source.title


def family_text(book: Rulebook, family: str) -> str:
    """Return the section of one family of rules."""
    heading = ("Rule", "Verdict", "Title", "When", "Because", "Source", "Would need")
    rows = [rule_row(rule, book.sources[rule.id]) for rule in book.rules if book.family[rule.id] == family]
    return f"## {family.capitalize()}\n\n{table(heading, rows)}"


def profile_row(profile: Profile) -> tuple[str, ...]:
    """Return the cells of one profile."""
    goal = f"most {code(profile.maximize)}" if profile.maximize else f"least {code(profile.minimize)}"
    batches = "to the knee" if profile.batches == "up_to_knee" else "any"
    limits = ", ".join(code(constraint) for constraint in profile.constraints)
    return code(profile.id), code(profile.objective), goal, limits, batches, profile.because


def check_row(check: Check, book: Checkbook) -> tuple[str, ...]:
    """Return the cells of one check."""
    told = f"{check.found}; expected {check.expected}"
    source = book.files[check.id].sources[check.source]
    unless = ", ".join(check.unless)
    return check.id, check.severity, check.scope, check.title, code(check.when), unless, code(check.at), told, taken(source)


def taken(source: Source) -> str:
    """Return a source as a link or a title, with what it assumes."""
    return f"{cited(source)}: {source.assumes}" if source.assumes else cited(source)


def checks_text(book: Checkbook) -> str:
    """Return the sections of the checks and of their facts."""
    heading = ("Check", "Severity", "Scope", "Title", "When", "Unless", "At", "Finding", "Source")
    checks = table(heading, (check_row(check, book) for check in book.checks.values()))
    numbers = table(
        ("Number", "Scope", "Unit", "Meaning"),
        (
            (code(name), scope, unit, text)
            for scope, rows in (("chip", CHIP), ("format", FORMAT), ("size", SIZE))
            for name, (unit, text) in rows.items()
        ),
    )
    texts = table(
        ("Text", "Scope", "Meaning"),
        ((code(name), scope, text) for scope, rows in CHECK_TEXTS.items() for name, text in rows.items()),
    )
    return f"{CHECKS}\n{checks}\n{CHECK_FACTS}\n{numbers}\n{texts}"


def rules_text(book: Rulebook, checks: Checkbook) -> str:
    """Return the whole text of `docs/rules.md`."""
    profiles = table(
        ("Profile", "Objective", "Best is", "Admits", "Batches", "Because"), map(profile_row, book.profiles.values())
    )
    numbers = table(("Number", "Unit", "Meaning"), ((code(name), unit, text) for name, (unit, text) in NUMBERS.items()))
    texts = table(("Text, in messages only", "Meaning"), ((code(name), text) for name, text in TEXTS.items()))
    families = [family_text(book, family) for family in FAMILIES]
    return "\n".join([INTRODUCTION, *families, PROFILES, profiles, FACTS, numbers, texts, checks_text(checks)])


FINDINGS: Final = """# What checking a spec may find

Printed by `python -m advisor.docs --write` from `engine/codes.py`: change that, not this page. `advise validate` names the id
of every finding; an id never changes its meaning. The checks of a chip's figures, `P1xx`, are in [rules.md](rules.md).
"""
SECTIONS: Final = {"S0": "Reading", "S1": "Structure", "S2": "Meaning"}
"""How an id begins -> heading of its section."""


def findings_text() -> str:
    """Return the whole text of `docs/findings.md`."""
    parts = [FINDINGS]
    for begins, heading in SECTIONS.items():
        rows = [(name, code_.title, code_.remedy) for name, code_ in CODES.items() if name.startswith(begins)]
        parts.append(f"## {heading}\n\n{table(('Id', 'What it is', 'What to do'), rows)}")
    return "\n".join(parts)


README_WIDTH: Final = 100
README_TOP: Final = 5
"""Columns of the answer in README.md, and how many alternatives it shows: those of a terminal that says nothing else."""


def readme_text() -> str:
    """Return README.md with the answer that it shows and the counts that it names as they are now."""
    catalog, book = load(), load_rulebook()
    advice = advise(Requirements(model="resnet50", latency_s=0.01), catalog, book)
    told = {
        r"(?<=## An answer\n\n```text\n).*?(?=^```$)": report(advice, catalog, book, width=README_WIDTH, top=README_TOP),
        r"(?<=It knows )\d+ chips": f"{len(catalog.accelerators)} chips",
        r"(?<=chips and )\d+ workloads": f"{len(catalog.workloads)} workloads",
    }
    text = path_of("readme").read_text(encoding="utf-8")
    for pattern, now in told.items():
        text = re.sub(pattern, now.replace("\\", r"\\"), text, count=1, flags=re.DOTALL | re.MULTILINE)
    return text


def path_of(name: str) -> Path:
    """Return the file of a page."""
    return data_root() / ("README.md" if name == "readme" else f"docs/{name}.md")


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "rules": lambda: rules_text(load_rulebook(), load_checks()),
    "catalogue": lambda: catalogue_text(load()),
    "findings": findings_text,
    "operators": vocabulary_text,
    "reference": reference_text,
    "readme": readme_text,
}
"""Page -> what prints it."""


def stale(names: Iterable[str]) -> list[str]:
    """Return those of the pages that do not say what is so now."""
    return [name for name in names if PAGES[name]() != path_of(name).read_text(encoding="utf-8")]


def main(arguments: Sequence[str]) -> int:
    """Print the pages that are named, `rules` where none is; write or check them, all where none is; return the exit code."""
    names = [argument for argument in arguments if not argument.startswith("--")]
    if unknown := [name for name in names if name not in PAGES]:
        sys.stderr.write(f"error: no page {unknown[0]!r}; there are: {', '.join(PAGES)}\n")
        return 2
    if "--check" in arguments:
        found = stale(names or PAGES)
        sys.stderr.write(
            "".join(f"error: {path_of(name).name} is stale; run python -m advisor.docs --write\n" for name in found)
        )
        return int(bool(found))
    if "--write" in arguments:
        for name in names or PAGES:
            path_of(name).write_text(PAGES[name](), encoding="utf-8")
    else:
        sys.stdout.write("".join(PAGES[name]() for name in names or ["rules"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
