"""What an installation consists of, and what is wrong with it.

Nothing here fails: what a check cannot find out is itself a finding. So only the standard library is imported at the top.
"""

from __future__ import annotations

import io
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Final, Literal

DISTRIBUTION: Final = "roofwise"
MODULES: Final = {"vl-convert-python": "vl_convert"}
"""Distribution -> what it is imported as, where that is not its name with `_` for `-`."""
FOR_PEOPLE: Final = frozenset({"dev", "docs"})
"""Extras that only those need who change Roofwise."""
SERVES: Final = {
    "import": "advise import onnx",
    "lab": "advise calibrate, probe, measure and lab",
    "scale": "files of advise sweep and explore, and clusters",
}
"""Extra -> what needs it."""

State = Literal["well", "note", "finding"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that was looked at: what it is, how it stands, and what to do where it does not stand well."""

    section: str
    name: str
    value: str
    state: State = "well"
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """What the terminal offers: its encoding, its columns, and whether it takes colours."""

    encoding: str
    columns: int
    colour: bool


def examine(options: Sequence[Path], inherited: Sequence[Path], terminal: Terminal) -> list[Line]:
    """Return a line for everything that an answer depends on.

    `options` are the spec folders of --specs, `inherited` those of ROOFWISE_SPECS.
    """
    checks: dict[str, Callable[[], Iterable[Line]]] = {
        "program": program,
        "needs": needs,
        "extras": extras,
        "specs": partial(specs, options, inherited),
        "cache": cache,
        "terminal": partial(of_terminal, terminal),
    }
    return [line for section, check in checks.items() for line in guarded(section, check)]


def guarded(section: str, check: Callable[[], Iterable[Line]]) -> Iterator[Line]:
    """Yield the lines of a check, and a finding in place of those that it fails to make."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - an installation can be broken in any way
        yield Line(section=section, name="check", value=f"failed: {told(error)}", state="finding", remedy=_REINSTALL)


_REINSTALL: Final = f"install it again: pip install --force-reinstall {DISTRIBUTION}"


def told(error: BaseException) -> str:
    """Return the kind and the first line of an error."""
    first = next(iter(str(error).splitlines()), "")[:200]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def counted(number: int, word: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "file"), counted(0, "error")
    ('1 file', '0 errors')
    """
    return f"{number} {word}{'s' * (number != 1)}"


# What runs.


def program() -> Iterator[Line]:
    """Yield version, interpreter and system, and where the packages and the command are."""
    here = Path(__file__).parents[1]
    yield Line(section="program", name="roofwise", value=f"{version(DISTRIBUTION) or 'not installed'}, {here}")
    yield from _other_engine(here)
    yield Line(section="program", name="python", value=f"{platform.python_version()}, {sys.executable}")
    yield Line(section="program", name="system", value=platform.platform())
    found = shutil.which("advise")
    hint = "" if found else f"it is in {Path(sys.executable).parent}; add that to PATH, or pipx install it"
    yield Line(section="program", name="advise", value=found or "not on PATH", state="well" if found else "note", remedy=hint)


def _other_engine(here: Path) -> Iterator[Line]:
    """Yield a finding where `engine`, a common name, is not the one that stands beside this package."""
    engine = import_module("engine").__file__ or ""
    if Path(engine).parents[1] != here:
        remedy = "start advise in another folder, or give Roofwise an environment of its own: pipx install"
        yield Line(section="program", name="engine", value=f"another one is imported: {engine}", state="finding", remedy=remedy)


# What it needs.


def version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def requirements() -> Mapping[str, list[tuple[str, str]]]:
    """Return names and least versions of what is needed, by extra; "" is needed always."""
    found: dict[str, list[tuple[str, str]]] = {}
    for text in metadata.requires(DISTRIBUTION) or ():
        name = re.split(r"[^A-Za-z0-9._-]", text)[0]
        least = re.search(r">=\s*([\d.]+)", text)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)", text)
        found.setdefault(extra[1] if extra else "", []).append((name, least[1] if least else "0"))
    return found


def needs() -> Iterator[Line]:
    """Yield every library that Roofwise cannot do without."""
    for name, least in requirements().get("", ()):
        value, state, remedy = library(name, least)
        yield Line(section="needs", name=name, value=value, state="finding" if state != "well" else state, remedy=remedy)


def extras() -> Iterator[Line]:
    """Yield every extra with its libraries; one that is absent is a note, one that does not import a finding."""
    for extra, wanted in sorted(requirements().items()):
        if not extra or extra in FOR_PEOPLE:
            continue
        parts = {name: library(name, least) for name, least in wanted}
        states = {state for _, state, _ in parts.values()}
        state: State = "finding" if "finding" in states else "note" if "note" in states else "well"
        value = ", ".join(f"{name} {text}" for name, (text, _, _) in parts.items())
        broken = [remedy for _, each, remedy in parts.values() if each == "finding"]
        serves = f"for {SERVES[extra]}: " if extra in SERVES else ""
        remedy = "" if state == "well" else broken[0] if broken else f"{serves}pip install '{DISTRIBUTION}[{extra}]'"
        yield Line(section="extras", name=extra, value=value, state=state, remedy=remedy)


def library(name: str, least: str) -> tuple[str, State, str]:
    """Return what to say of a library, whether it is well, absent (a note) or broken (a finding), and the remedy."""
    held = version(name)
    if held is None:
        return "absent", "note", f"pip install '{name}>={least}'"
    if release(held) < release(least):
        return f"{held}, older than {least}", "finding", f"pip install --upgrade '{name}>={least}'"
    try:
        with redirect_stderr(io.StringIO()):  # a library that fails may print why, too
            import_module(MODULES.get(name, name.replace("-", "_")))
    except Exception as error:  # noqa: BLE001 - a library may fail in any way as it is imported
        return f"{held} does not import: {told(error)}", "finding", f"pip install --force-reinstall {name}"
    return held, "well", ""


def release(text: str) -> tuple[int, ...]:
    """Return the numbers of a version, as far as they go, without zeros at the end.

    >>> release("2.10.0") > release("2.9") == release("2.9.0rc1")
    True
    """
    numbers = [int(part) for part in re.split(r"[^\d.]", text)[0].split(".") if part]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


# What it knows.


def specs(options: Sequence[Path], inherited: Sequence[Path]) -> Iterator[Line]:
    """Yield our specs and every folder of the user's: where it is, what is in it, and whether that is valid."""
    yield _ours()
    for origin, folders in (("ROOFWISE_SPECS", inherited), ("--specs", options)):
        for folder in folders:
            yield _yours(origin, folder)


def _ours() -> Line:
    from engine.catalog import data_root, load  # noqa: PLC0415
    from engine.errors import SpecError  # noqa: PLC0415

    from .rule import load_rulebook  # noqa: PLC0415

    root = data_root() / "specs"
    origin = "of a checkout" if root.parent.name != "_data" else "as packaged"
    try:
        load()
        load_rulebook()
    except SpecError as error:
        return Line(section="specs", name="ours", value=f"{root}: {error.faults[0]}", state="finding", remedy=_REINSTALL)
    counts = {folder.name: len(list(folder.glob("*.json"))) for folder in sorted(root.iterdir()) if folder.is_dir()}
    told_counts = " · ".join(f"{name} {count}" for name, count in counts.items())
    return Line(section="specs", name="ours", value=f"{root}, {origin}, files: {told_counts}")


def _yours(origin: str, folder: Path) -> Line:
    from .validation import NoFilesError, validate_paths  # noqa: PLC0415

    made = partial(Line, section="specs", name=origin)
    if not os.path.isdir(folder):  # noqa: PTH112 - any text may come
        return made(value=f"{folder}: no such directory", state="finding", remedy="make it, or leave it out")
    try:
        report = validate_paths([str(folder)])
    except NoFilesError:
        return made(value=f"{folder}: no spec in it", state="finding", remedy="put a .json file into it, or leave it out")
    files = f"{folder}: {counted(len(report.outcomes), 'file')}"
    errors, warnings = report.count("error"), report.count("warning")
    if not report.faults:
        return made(value=f"{files}, all valid")
    return made(
        value=f"{files}, {counted(errors, 'error')}, {counted(warnings, 'warning')}",
        state="finding" if errors else "note",
        remedy=f"see them: advise validate {folder}",
    )


# What it remembers.


def cache() -> Iterator[Line]:
    """Yield where snapshots of our specs are kept, how much they take, whether one fits, and whether it could be written."""
    from .cachefiles import ENVIRONMENT, folder  # noqa: PLC0415
    from .snapshot import open_snapshot  # noqa: PLC0415

    made = partial(Line, section="cache")
    place = folder()
    if place is None:
        yield made(
            name="folder", value=f"none, since {ENVIRONMENT} is empty", state="note", remedy="answers take longer without"
        )
        return
    sizes = [entry.stat().st_size for entry in place.rglob("*") if entry.is_file()] if place.is_dir() else []
    yield made(name="folder", value=f"{place}: {counted(len(sizes), 'file')}, {sum(sizes) / 1e6:.1f} MB")
    fits = open_snapshot()
    there = fits is not None and (fits.path / "catalogue").is_file()
    yield made(name="snapshot", value="there" if there else "not yet: the next answer makes it")
    writable = os.access(nearest(place), os.W_OK | os.X_OK)
    hint = "" if writable else f"answers take longer without; name another folder in {ENVIRONMENT}"
    yield made(name="writable", value="yes" if writable else "no", state="well" if writable else "note", remedy=hint)


def nearest(path: Path) -> Path:
    """Return a path, or the nearest folder above it that exists.

    >>> nearest(Path("/nowhere/at/all")) == Path("/")
    True
    """
    return next(each for each in (path, *path.absolute().parents) if each.exists())


# Who looks at it.


def of_terminal(terminal: Terminal) -> Iterator[Line]:
    """Yield what the terminal offers, and whether its shell completes."""
    unicode = terminal.encoding.lower().replace("-", "").startswith("utf")
    hint = "" if unicode else "signs that it lacks become ?; set PYTHONIOENCODING=utf-8"
    made = partial(Line, section="terminal")
    yield made(name="encoding", value=terminal.encoding, state="well" if unicode else "note", remedy=hint)
    colour = "yes" if terminal.colour else "no: it is no terminal, or NO_COLOR is set"
    yield made(name="colour", value=colour)
    yield made(name="columns", value=str(terminal.columns))
    yield _completion(Path(os.environ.get("SHELL", "")).name)


COMPLETIONS: Final = {
    "bash": ".bash_completions/advise.sh",
    "zsh": ".zfunc/_advise",
    "fish": ".config/fish/completions/advise.fish",
}
"""Shell -> the file below the user's home that `advise --install-completion` writes for it."""


def _completion(shell: str) -> Line:
    made = partial(Line, section="terminal", name="completion")
    if shell not in COMPLETIONS:
        return made(value=f"not looked for: SHELL is {shell or 'not set'}")
    file = Path.home() / COMPLETIONS[shell]
    if file.is_file():
        return made(value=f"{shell}: {file}")
    return made(value=f"{shell}: not installed", state="note", remedy="advise --install-completion")
