"""The ids of what checking a spec may find: how to search for a finding, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Code:
    """What an id stands for, in a few words, and the remedy."""

    title: str
    remedy: str


CODES: Final[dict[str, Code]] = {
    "S001": Code("the file cannot be read", "Name a file or folder that exists and that you may read, of at most 4 MB."),
    "S002": Code("the file is not UTF-8", "Save it as UTF-8."),
    "S003": Code("the file is not JSON", "Mend the syntax at the place that is named: a comma, a quote or a bracket."),
    "S004": Code("a key occurs twice", "Keep one of the two; a reader of JSON would silently take the last."),
    "S005": Code("a number is not finite", "Write a finite number; JSON has no NaN, no Infinity and nothing above 1.8e308."),
    "S006": Code("the file is nested too deeply", "No spec has more than 100 levels; look for brackets that never close."),
    "S007": Code("the text is not Unicode", "An escape is half of a surrogate pair; write the character itself."),
    "S008": Code("the spec is not an object", "A spec is one JSON object: it begins with a brace."),
    "S009": Code("the kind of spec is unknown", "Begin with a $schema that ends in the name of one of our schemas."),
    "S010": Code("the version of the schema is unknown", "Update Roofwise, or write the file for the version that it reads."),
    "S011": Code(
        "the file holds too much", "No spec has more than 100,000 values; split it, or look for a loop that wrote it."
    ),
    "S012": Code("more faults than are listed", "Mend those that are listed first, then check again."),
    "S101": Code("a key is missing", "Add it; the schema says what it holds."),
    "S102": Code("a key is unknown", "Mend its name or take it out; $comment is allowed everywhere."),
    "S103": Code(
        "a value is of the wrong type", "Write it as the message says: a number without quotes, a text, an object, a list."
    ),
    "S104": Code("a name is none of those known", "Choose one of the names in the message; units are those of the field."),
    "S105": Code(
        "a number is out of range", "Check the figure and its unit; leave out what is not published, and never write 0."
    ),
    "S106": Code("a text has not the form it needs", "Write ids in lower case, dates as 2026-11-25, addresses with https://."),
    "S107": Code("an operator or block is unknown", "Let op name one of the operators or blocks of docs/specs.md."),
    "S108": Code("too few or too many", "Mind how many items or characters the message asks for."),
    "S110": Code(
        "a place is still to be filled", "Write the figure or text that it asks for, or take the line out if it is optional."
    ),
    "S201": Code("a source is not declared", "Declare it in sources, or name one that is declared."),
    "S202": Code("a dimension is no safe expression", "Use names, numbers, + - * / // % **, ceil, floor, min and max."),
    "S203": Code("a size is unknown", "Declare it in sizes; the batch is never written."),
    "S204": Code("a default is outside its range", "Let minimum <= default <= maximum."),
    "S205": Code(
        "the operators of a graph do not fit together", "Mend the shapes or the inputs of the operator that is named."
    ),
    "S206": Code("a published total is not reproduced", "Check the graph against its source, or the total and its rounding."),
    "S207": Code("an interval does not hold its estimate", "Let 0 < p10 <= 1 <= p90: ratios of the time to the estimate."),
    "S208": Code("a measured point has no figure", "Give it a latency, a throughput, or both."),
    "S209": Code("a condition is no expression over the facts", "Use the facts of docs/rules.md."),
    "S210": Code("a message names an unknown fact", "Use the facts of docs/rules.md, in braces."),
    "S211": Code("a rule asks for a fact too early", "A rule that excludes uses facts of request, chip and batch only."),
    "S212": Code("a rule's example does not do what it shows", "Mend the condition or the example: one fires, one is silent."),
    "S213": Code("a profile needs one objective", "Give exactly one of maximize and minimize."),
    "S214": Code("an id occurs twice", "Give each spec of a kind, and each rule, an id of its own."),
    "S215": Code("a name of measurements belongs to two specs", "Keep it where it is unambiguous, or leave it out of both."),
    "S216": Code(
        "the checks of this folder are faulty", "Mend the files of its folder checks; until then only ours are asked."
    ),
    "S217": Code("a check is named that is not there or finds nothing", "Name the check that finds something, and its place."),
    "S218": Code("a format has a peak of the vector units and no dense peak", "Give its peak_dense, or take the peak out."),
    "S221": Code("a column has not one value for each batch", "Give every column of a series as many values as batches."),
    "S222": Code("a fact of a claim is incomplete", "State one kind of fact, with what it is about and its unit."),
    "S223": Code("a claim names what is not there", "Use the series, figures, batches and columns that exist."),
    "S224": Code("a claim cannot be judged", "Give it a condition, and a correction where `corrected` asks for one."),
}
"""Id -> what it stands for: 0xx reading, 1xx structure, 2xx meaning; the P1xx of a chip's figures are in specs/checks.

An id never changes its meaning.
"""
