"""Floors: a module imports only what stands before it. So a formula never learns of a rule, nor a rule of a report."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ENGINE = """
errors codes units ranges expressions symbols winograd
quantity closed_form cost
roofline kernels cache energy quantization
machine columns
accelerator calibration measurement
ops.base ops.attention ops.conditioning ops.experts ops.image ops.general ops.layout ops.matrix ops.movement ops.norms
ops.pointwise
ops.recommendation ops.window ops.__init__
blocks.base blocks.convolutional blocks.detection blocks.hierarchical blocks.diffusion blocks.recommendation blocks.transformer
blocks.__init__
workload
_compiled
fusion library liveness totals sizes network
codegen assembly specimen single passes roster compiled point fleet solve
places documents kinds folders checks
catalog
rows
__init__
"""
ADVISOR = """
__init__ exits ending cachefiles requirements facts chip_facts gaps report.__init__ report.layout report.leftout report.spec
report.columns report.live
rulebook rule check claim starting stock
model_contract model_table
inputs validation report.findings datasheet report.datasheet browse listing comparison report.comparison
candidate
exclusion between search
recommend sweep judge insight
body contract catalogue vocabulary formula step derive
report.document report.text report.markdown report.derivation report.insights report.model
report.answer report.charts report.html
lab.__init__ lab.points lab.names lab.sheet lab.quality lab.sweeps lab.tables lab.bounds lab.fit lab.kernels lab.networks
lab.evidence lab.posterior lab.spread lab.calibrate lab.fitted lab.accuracy lab.contract
lab.topology lab.stopwatch lab.graphs lab.session lab.canary lab.probe lab.probed lab.feeds lab.measure
explore.__init__ explore.axes explore.field explore.summary explore.space explore.parts explore.run explore.processes
explore.cluster explore.request explore.search explore.hypothetical explore.answer explore.contract
schemas report.sweep report.claims report.accuracy report.plot report.calibration report.field report.explore
importers.__init__ importers.onnx.__init__ importers.onnx.wire importers.onnx.beside importers.onnx.model importers.onnx.values
importers.onnx.shapes importers.onnx.inference importers.onnx.batch importers.onnx.program importers.onnx.patterns
importers.onnx.writer
importers.onnx.lines importers.onnx.groups importers.onnx.sizes importers.onnx.importer importers.onnx.summary
importers.config importers.graphs importers.decoders importers.encoders importers.hf
output loading snapshot answering completion options lab.boxes lab.bench lab.loop report.lab
doctor report.doctor
commands.__init__ commands.accuracy commands.advise commands.calibrate commands.claims commands.compare commands.derive
commands.doctor commands.explore commands.import_hf commands.import_onnx
commands.insights commands.lab commands.list_specs commands.measure commands.new commands.predict commands.probe
commands.schema commands.show
commands.sweep commands.validate
cli start
__main__
reference docs
"""
FLOORS = {"engine": ENGINE.split(), "advisor": ADVISOR.split()}
"""Package -> its modules from the ground up, each line a floor; within a line the left stands before the right."""

SYMBOLIC = frozenset({"symbols", "closed_form", "roofline", "kernels", "cache", "energy", "quantization", "codegen"})
"""What imports SymPy, which takes half a second: only derivations and the printing of code may reach it."""


def module_name(path: Path) -> str:
    """Return a module's name inside its package, as FLOORS has it."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts[1:])


MODULES = {(package, module_name(path)): path for package in FLOORS for path in sorted((ROOT / package).rglob("*.py"))}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield package and module of everything that a file imports from the two packages, wherever in it."""
    package, *folders = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], alias.name.partition(".")[2]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [package, *folders][: 1 + len(folders) - (node.level - 1)] if node.level else []
            origin = [*base, *(node.module or "").split(".")] if node.module else base
            for alias in node.names:
                yield origin[0], _module([*origin[1:]], alias.name, origin[0])


def _module(parts: list[str], name: str, package: str) -> str:
    """Return the module that `from parts import name` reads: the name itself where it is a module, else its parent."""
    for found in (".".join([*parts, name]), ".".join(parts), ".".join([*parts, "__init__"])):
        if (package, found) in MODULES:
            return found
    return ".".join(parts)


def test_every_module_has_a_floor_and_every_floor_its_modules() -> None:
    listed = [(package, name) for package, names in FLOORS.items() for name in names]
    assert sorted(listed) == sorted(MODULES)


@pytest.mark.parametrize(("package", "name"), MODULES, ids=map(".".join, MODULES))
def test_imports_go_down_only(package: str, name: str) -> None:
    order = FLOORS[package]
    inside = {module for origin, module in imports(MODULES[package, name]) if origin == package}
    assert {module for module in inside if order.index(module) >= order.index(name)} == set()


@pytest.mark.parametrize(("package", "name"), MODULES, ids=map(".".join, MODULES))
def test_imports_are_relative_inside_a_package_and_absolute_across(package: str, name: str) -> None:
    tree = ast.parse(MODULES[package, name].read_text(encoding="utf-8"))
    absolute = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    absolute |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {module for module in absolute if module.split(".")[0] == package} == set()


def engine_modules() -> list[str]:
    """Return the names of the engine's modules."""
    return [name for package, name in MODULES if package == "engine"]


@pytest.mark.parametrize("name", engine_modules())
def test_the_engine_knows_no_advisor_and_never_prints(name: str) -> None:
    path = MODULES["engine", name]
    assert "advisor" not in {origin for origin, _ in imports(path)}
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert "print" not in {call.id for call in calls if isinstance(call, ast.Name)}


@pytest.mark.parametrize("name", engine_modules())
def test_sympy_stays_off_the_way_to_an_answer(name: str) -> None:
    found = set(imports(MODULES["engine", name]))
    reaches = any(origin == "sympy" for origin, _ in found) or any(o == "engine" and m in SYMBOLIC for o, m in found)
    assert reaches == (name in SYMBOLIC)
