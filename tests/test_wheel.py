"""What is shipped: the wheel holds the specs and schemas, and runs outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the tools that are installed, so that no network is needed."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (built,) = out.glob("roofwise-*.whl")
    return built


def run(*command: str | Path, cwd: Path) -> str:
    """Return what a command prints, run away from the checkout and from the settings of this shell."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "ROOFWISE_SPECS")}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into a fresh environment that borrows our installed dependencies; return its folder of commands."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    paths = sysconfig.get_paths(scheme="venv", vars={"base": str(folder), "platbase": str(folder)})
    # A .pth line adds a folder behind the environment's own and reads no .pth in it: an editable install stays out.
    Path(paths["purelib"], "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    python = Path(paths["scripts"], "python")
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index", "--no-deps", wheel, cwd=folder)
    return Path(paths["scripts"])


CODE = (".py", ".js", ".css", ".html")
"""What a package holds: Python, and what a report is made of."""


def test_the_wheel_holds_code_specs_and_schemas_and_nothing_else(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    code = {
        path.relative_to(ROOT).as_posix()
        for package in ("engine", "advisor")
        for path in (ROOT / package).rglob("*")
        if path.suffix in CODE
    }
    typed = {"engine/py.typed", "advisor/py.typed"}
    data = {
        f"engine/_data/{path.relative_to(ROOT).as_posix()}"
        for folder in ("specs", "schemas")
        for path in (ROOT / folder).rglob("*.json")
    }
    assert held == code | typed | data


def test_the_installed_command_answers_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    scripts = install(wheel, tmp_path / "environment")
    answer = run(scripts / "advise", "--model", "resnet50", "--latency", "10ms", cwd=tmp_path)
    assert "meets 10 ms" in answer
    where = "import engine, advisor; print(engine.__file__, advisor.__file__, sep='\\n')"
    for line in run(scripts / "python", "-c", where, cwd=tmp_path).splitlines():
        assert Path(line).is_relative_to(tmp_path / "environment")
