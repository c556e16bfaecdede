"""Two versions side by side: a spec of a newer one is refused by name, and nothing of it is guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from abuse.mutations import ROOT
from abuse.runner import run

KINDS = {
    "accelerator": "accelerators/nvidia-l4.json",
    "workload": "workloads/resnet18.json",
    "calibration": "calibrations/nvidia-l4.json",
    "rule": "rules/latency.json",
    "profile": "profiles/edge.json",
    "check": "checks/physics.json",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_of_a_newer_schema_is_refused_by_name_and_the_rest_answers(kind: str, tmp_path: Path) -> None:
    body = json.loads((ROOT / "specs" / KINDS[kind]).read_text(encoding="utf-8"))
    newer = body | {"$schema": f"https://example.org/v9/{kind}.schema.json", "invented_later": {"value": 1}}
    folder = tmp_path / Path(KINDS[kind]).parent
    folder.mkdir()
    (folder / "newer.json").write_text(json.dumps(newer), encoding="utf-8")
    done = run("list", "hardware", "--specs", str(tmp_path), "--format", "json")
    assert done.faults(frozenset({0})) == []
    assert "is left out" in done.err
    assert "/$schema: version '9' of " in done.err
    assert run("list", "hardware", "--specs", str(tmp_path), "--strict").code == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_not_known_is_named_with_the_nearest_that_is(kind: str, tmp_path: Path) -> None:
    body = json.loads((ROOT / "specs" / KINDS[kind]).read_text(encoding="utf-8"))
    (tmp_path / "case.json").write_text(json.dumps(body | {"source_s": {}}), encoding="utf-8")
    done = run("validate", str(tmp_path / "case.json"))
    assert done.code == 2
    assert "/source_s: unknown key 'source_s'; expected a key of the schema; did you mean source" in done.text
