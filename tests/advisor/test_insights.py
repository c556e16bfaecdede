"""The study of batch sizes: its sections, its tiers and inverses by their definitions, its marks."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from strategies import catalog

from advisor.candidate import COARSE
from advisor.cli import main
from advisor.inputs import RequestError
from advisor.insight import GOAL, LOW_LATENCY, SMALL_GAIN, Pair, Study, architecture, intensity, lift, pairs
from advisor.report.document import Document, text
from advisor.report.insights import insights
from advisor.rule import load_rulebook
from engine import build
from engine.assembly import machine
from engine.compiled import estimate

BATCHES = (1, 4, 8, 16, 32, 64)
MODELS = ("resnet18", "resnet50", "bert-base", "bert-large", "gpt3-175b")
CHIPS = ("nvidia-h100-sxm", "google-tpu-v4", "stillwater-kpu-t256")
SECTIONS = [
    "utilization", "scaling", "energy", "latency", "matrix", "tiers", "plateau", "lift", "architectures", "diminishing",
    "hypotheses",
]  # fmt: skip


def one(model: str, chip: str, dtype: str | None = None) -> Pair:
    (pair,) = pairs(Study(models=(model,), hardware=(chip,), batches=BATCHES, dtype=dtype, sizes={}), catalog())
    return pair


@pytest.fixture(scope="module")
def document() -> Document:
    return insights(Study(models=MODELS, hardware=CHIPS, batches=BATCHES, sizes={}), catalog(), load_rulebook())


def test_every_section_of_the_study_is_there_and_says_something(document: Document) -> None:
    assert [section.key for section in document.sections] == SECTIONS
    for section in document.sections:
        assert section.text
        assert (section.table is not None and section.table.rows) or section.points


def test_a_pair_that_does_not_fit_and_a_chip_without_silicon_are_computed_and_marked(document: Document) -> None:
    table = document.sections[0].table
    assert table is not None
    assert len(table.rows) == len(MODELS) * len(CHIPS)
    assert {row[1] for row in table.rows if row[0] == "gpt3-175b"} == {f"{CHIPS[0]}*", f"{CHIPS[1]}*", f"{CHIPS[2]}~*"}
    assert sum("does not fit" in paragraph for paragraph in document.about) == len(CHIPS)
    winners = next(section for section in document.sections if section.key == "energy").points
    assert [winner.split(":")[0] for winner in winners] == list(MODELS[:-1])
    assert not any("kpu" in winner for winner in winners)


def test_a_chip_without_the_format_is_named_and_has_no_row() -> None:
    study = Study(models=("resnet18",), hardware=("nvidia-t4", "nvidia-l4"), batches=(1, 8), dtype="fp8", sizes={})
    document = insights(study, catalog(), load_rulebook())
    assert [row[1] for row in document.sections[0].table.rows] == ["nvidia-l4"]  # type: ignore[union-attr]
    assert "resnet18 on nvidia-t4" in document.about[-1]


def test_tiers_by_their_definition() -> None:
    pair = one("resnet50", "nvidia-l4")
    tiers = pair.tiers
    assert tiers is not None
    network, machine = pair.network, pair.machine
    latency = estimate(network, [machine], np.arange(1.0, 1025.0)).latency_estimate_s[0]
    assert latency[tiers.low - 1] <= LOW_LATENCY * latency[0]
    throughput = np.arange(1, 1025) / latency
    most = max(throughput[batch - 1] for batch in COARSE)
    assert throughput[tiers.knee - 1] >= 0.9 * most > throughput[: tiers.knee - 1].max()
    assert 1 <= tiers.low <= tiers.knee <= tiers.most


def test_diminishing_returns_by_their_definition() -> None:
    pair = one("resnet50", "nvidia-l4")
    batch = pair.diminishing
    assert batch is not None
    powers = [2**k for k in range(11)]
    throughput = estimate(pair.network, [pair.machine], np.array(powers, dtype=float)).throughput_per_s[0]
    gains = throughput[1:] / throughput[:-1] - 1
    first = powers.index(batch)
    assert gains[first] < SMALL_GAIN
    assert (gains[:first] >= SMALL_GAIN).all()


def test_a_batch_that_passes_the_goal_is_the_least_that_does() -> None:
    pair = one("resnet18", "nvidia-h100-sxm")
    found = lift(pair, catalog())
    assert found.batch is not None
    mfu = estimate(pair.network, [pair.machine], np.array([found.batch - 1.0, found.batch])).mfu[0]
    assert mfu[0] <= GOAL < mfu[1]


def test_the_inverses_bring_the_plain_roof_and_the_launches_to_the_goal() -> None:
    pair = one("resnet18", "nvidia-h100-sxm")
    found, batch = lift(pair, catalog()), float(BATCHES[-1])
    assert pair.curve is not None
    assert found.bandwidth is not None
    assert found.larger is not None
    roof = np.maximum(
        pair.curve._compute_s(batch), (pair.curve.traffic_once + batch * pair.curve.traffic_each) / found.bandwidth
    )
    assert pair.work / roof.sum() / pair.machine.peak == pytest.approx(GOAL)
    launches = pair.shares["dispatch"] * pair.at("latency_estimate_s", -1)
    rest = pair.at("latency_estimate_s", -1) - launches
    assert found.larger * pair.work / (found.larger * rest + launches) / pair.machine.peak == pytest.approx(GOAL)
    assert found.intensity == pytest.approx(GOAL * pair.machine.peak / pair.machine.bandwidth)


def test_what_is_left_without_a_cause_is_more_than_with_it() -> None:
    pair = one("resnet18", "nvidia-h100-sxm")
    found = lift(pair, catalog())
    assert pair.at("mfu", -1) < found.dimensions_mfu < 1
    assert found.fusion_mfu == pytest.approx(pair.at("mfu", -1) / (1 - pair.shares["dispatch"]))
    assert found.narrow is not None
    assert found.narrow[0] in ("fp8", "int8")
    assert found.narrow[2] > 1


def test_a_chip_that_nothing_is_known_of_says_unknown_and_lifts_nothing() -> None:
    document = insights(
        Study(models=("resnet18",), hardware=("hailo-8",), batches=(1, 8), sizes={}), catalog(), load_rulebook()
    )
    assert document.sections[0].table.rows[0][3:6] == ("unknown",) * 3  # type: ignore[union-attr]
    assert document.sections[7].points == ()
    assert document.sections[-1].points == ("no pair exists, fits and is known",)


def test_a_time_beyond_all_numbers_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.insight.machine", lambda *given: replace(machine(*given), launch=1e308))
    asked = Study(models=("resnet18",), hardware=("nvidia-l4",), batches=(1, 8), sizes={})
    document = insights(asked, catalog(), load_rulebook())
    assert document.sections[0].table.rows[0][3:6] == ("unknown",) * 3  # type: ignore[union-attr]
    assert document.sections[-1].points == ("no pair exists, fits and is known",)


@pytest.mark.parametrize(
    ("model", "kind"), [("resnet18", "CNN"), ("mobilenet-v2", "CNN"), ("bert-base", "transformer"), ("vit-b-16", "transformer")]
)
def test_a_network_is_what_does_most_of_its_work(model: str, kind: str) -> None:
    assert architecture(build(catalog().workloads[model])) == kind


def test_intensity_is_work_over_the_bytes_of_fused_kernels() -> None:
    pair = one("resnet18", "nvidia-l4", "fp32")
    elements = sum(k.cost.weights + 4 * (k.cost.inputs + k.cost.outputs) for k in pair.network.kernels)
    assert intensity(pair, 1) == pytest.approx(4 * pair.network.work / (4 * elements))
    assert math.isfinite(intensity(pair, 0))


def test_the_command_writes_the_same_in_every_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(("insights", *arguments))
        printed = capsys.readouterr()
        return int(stop.value.code or 0), printed.out, printed.err

    asked = ("--models", "resnet18,bert-base", "--hardware", "nvidia-l4,nvidia-t4", "--batch", "1..16x2")
    told = json.loads(run(*asked, "--format", "json")[1])
    assert list(told["sections"]) == SECTIONS
    assert len(told["sections"]["scaling"]["rows"]) == 4
    titles = [section["title"] for section in told["sections"].values()]
    assert run(*asked, "--format", "md", "--out", str(tmp_path / "study.md")) == (0, "", "")
    assert [
        line[3:] for line in (tmp_path / "study.md").read_text(encoding="utf-8").splitlines() if line[:3] == "## "
    ] == titles
    assert [title for title in run(*asked)[1].splitlines() if title in titles] == titles
    code, _, err = run("--models", "resnet5", "--hardware", "", "--batch", "x")
    assert code == 2
    assert [line.split(": ")[1] for line in err.splitlines()] == ["--models", "--batch", "--hardware"]


def test_a_chip_as_studied_stands_beside_the_chip_as_built_and_wins_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--models", "resnet18", "--hardware", "h100-as-studied,nvidia-h100-sxm,google-tpu-v4", "--batch", "1,64")
    with pytest.raises(SystemExit):
        main(("insights", *asked, "--format", "json"))
    sections = json.loads(capsys.readouterr().out)["sections"]
    assert [row["chip"] for row in sections["scaling"]["rows"]] == ["h100-as-studied'", "nvidia-h100-sxm", "google-tpu-v4"]
    assert {row["chip"] for row in sections["matrix"]["rows"]} <= {"nvidia-h100-sxm", "google-tpu-v4"}
    assert not any("as-studied" in point for point in sections["energy"]["points"])


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_line_is_wider_than_the_terminal(document: Document, width: int) -> None:
    assert max(map(len, text(document, width).splitlines())) <= width


def test_one_batch_decides_no_hypothesis_and_an_unknown_size_is_an_error() -> None:
    one_batch = Study(models=("resnet18",), hardware=("nvidia-l4",), batches=(8,), sizes={})
    assert "one batch" in insights(one_batch, catalog(), load_rulebook()).sections[-1].text[0]
    with pytest.raises(RequestError, match="no model asked for has a size 'nonsense'"):
        pairs(Study(models=("resnet18",), hardware=("nvidia-l4",), batches=(1, 8), sizes={"nonsense": 5}), catalog())
