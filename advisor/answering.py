"""The main job as a call: from typed options to an answer that is printed or written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from . import inputs, output
from .exits import NOTHING_QUALIFIES
from .recommend import Advice, advise
from .snapshot import ready

if TYPE_CHECKING:
    from .rulebook import Rulebook
    from .stock import Stock

FORMATS: Final = ("text", "json", "md", "html")


def answer(options: Mapping[str, Any]) -> int:
    """Answer a request of typed options, by the names of the command's parameters, and return the exit code.

    Raises RequestError and other errors of ours with every fault of the request.
    """
    if options["model"] is None:
        raise inputs.RequestError("--model is missing; `advise list workloads` shows the models, `advise --help` examples")
    if options["profile"] and options["objective"]:
        raise inputs.RequestError("--profile and --objective say the same thing; give one of them")
    inputs.choice("--format", options["form"], FORMATS)
    inputs.choice("--explain", options["explain"] or "excluded", ("excluded",))
    shown = inputs.whole_numbers(options["top"], least=0)[0]
    stock, book, (model,) = ready([options["model"]], options["specs"], strict=options["strict"])
    asked = {**options, "model": model, "profile": options["profile"] or options["objective"]}
    found = advise(inputs.requirements(asked, stock, book), stock, book)
    output.write(_printed(found, stock, book, options, shown), options["out"])
    return 0 if found.recommendation else NOTHING_QUALIFIES


def _printed(advice: Advice, stock: Stock, book: Rulebook, options: Mapping[str, Any], shown: int) -> str:
    """Return an answer in the format asked for; each is imported when it is."""
    match options["form"]:
        case "json":
            from .body import as_json  # noqa: PLC0415

            return output.as_json(as_json(advice, stock, book))
        case "html":
            from .report import html  # noqa: PLC0415

            return html.answer(advice, stock.catalog(), book)
        case "md":
            from .report import markdown  # noqa: PLC0415

            return markdown.report(advice, stock, book, top=shown)
        case _:
            from .report import text  # noqa: PLC0415

            paint = output.paint(options["out"])
            explain = options["explain"] is not None
            return text.report(advice, stock, book, width=output.width(), top=shown, explain=explain, paint=paint)
