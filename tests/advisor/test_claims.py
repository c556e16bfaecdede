"""Claims: each verdict by hand, the study's own contradictions, and figures of ours that equal predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from strategies import catalog

from advisor.claim import ClaimFile
from advisor.cli import main
from advisor.judge import ClaimError, Judged, judge
from advisor.validation import validate_file
from engine import predict
from engine.catalog import data_root, load

STUDY = data_root() / "specs" / "claims" / "batch-size-study.json"
SLIDE = Path(__file__).parents[1] / "specs" / "valid" / "claim" / "slide.json"


def claims(path: Path) -> ClaimFile:
    spec = validate_file(path).spec
    assert isinstance(spec, ClaimFile)
    return spec


@pytest.fixture(scope="module")
def study() -> dict[str, Judged]:
    return {one.claim.id: one for one in judge(claims(STUDY), catalog())}


def slide(**changes: Any) -> Judged:
    """Return the verdict on the claim of the valid corpus file with some fields changed."""
    data = json.loads(SLIDE.read_text(encoding="utf-8"))
    data["claims"][0] |= changes
    return judge(ClaimFile.model_validate(data), catalog())[0]


FACTS = {"said": {"stated": {"value": 2, "unit": "ms", "source": "slide"}}}


@pytest.mark.parametrize(
    ("conditions", "verdict"),
    [
        ({"holds": "said == 0.002"}, "holds"),
        ({"holds": "said > 1"}, "not what we find"),
        ({"holds": "said > 1", "corrected": "said < 1", "correction": "ms, not s"}, "holds with correction"),
        ({"holds": "said > 1", "corrected": "said > 2", "correction": "ms, not s"}, "not what we find"),
        ({"holds": "said < 1", "possible": "said > 1"}, "contradicted by our bound"),
        ({"possible": "said > 1", "consistent": "said > 1"}, "contradicts itself"),
        ({"consistent": "said < 1"}, "holds"),
        ({"holds": "said < 1", "modelled": True}, "modelled only"),
        ({"holds": "said < 1", "possible": "said > 1", "modelled": True}, "contradicted by our bound"),
    ],
)
def test_a_verdict_follows_from_its_conditions(conditions: dict[str, Any], verdict: str) -> None:
    plain = dict.fromkeys(("consistent", "possible", "holds", "corrected", "correction"))
    found = slide(facts=FACTS, because="{said} is stated", **plain | conditions)
    assert found.verdict == verdict
    assert found.because == "2 ms is stated" + ("; ms, not s" if verdict == "holds with correction" else "")


def test_a_fact_that_nobody_knows_leaves_a_claim_undecided() -> None:
    facts = FACTS | {"idle": {"chip": "idle_power", "hardware": "nvidia-l4"}}
    found = slide(facts=facts, possible=None, holds="idle > said", because="idle: {idle}")
    assert (found.verdict, found.because) == ("cannot be judged", "idle: unknown")


def test_figures_of_ours_are_those_of_predict_on_the_chip_as_built_and_differ_on_the_variant() -> None:
    facts = {
        "studied": {"estimate": "latency_estimate_s", "series": "l4"},
        "built": {"estimate": "latency_estimate_s", "series": "l4", "built": True},
    }
    found = slide(facts=facts, possible=None, holds="studied <= built", because="{studied}")
    rows = predict("resnet50", ["nvidia-l4"], [1, 8], ["fp16"], catalog=catalog())
    assert list(found.facts["built"].values) == [row["latency_estimate_s"] for row in rows]
    assert (found.facts["studied"].values < found.facts["built"].values).all()
    assert found.batches == (1, 8)


def test_a_measured_figure_is_the_best_record_of_the_same_point() -> None:
    point = {"workload": "bert-base", "hardware": "nvidia-t4", "dtype": "fp16"}
    facts = {"best": {"measured": "latency", **point, "batch": 8}, "none": {"measured": "latency", **point, "batch": 7}}
    found = slide(facts=facts, possible=None, holds="best > 0", because="{best}")
    assert found.facts["best"].values.item() == pytest.approx(0.00831)  # the least at 128 tokens; at 32 it is 2.67 ms
    assert found.facts["none"].values.item() != found.facts["none"].values.item()


def test_a_measured_energy_is_the_power_over_the_rate() -> None:
    """By hand: 153 W over 2685/s are 57.0 mJ; TensorRT 4 took longer for a batch of 64 than the point whose power is known."""
    point = {"workload": "resnet50", "hardware": "nvidia-v100-sxm2-16", "dtype": "fp16"}
    facts: dict[str, Any] = {"energy": {"measured": "energy", **point, "batch": 8}}
    facts |= {"watts": {"measured": "power", **point, "batch": 8}, "none": {"measured": "energy", **point, "batch": 16}}
    found = slide(facts=facts, possible=None, holds="energy > 0", because="{energy} at {watts}")
    assert found.facts["energy"].values.item() == pytest.approx(153 / 2685)
    assert found.because == "57 mJ at 153 W"
    assert found.facts["none"].values.item() != found.facts["none"].values.item()


def test_what_silicon_says_of_the_study_stands_beside_its_claims(tmp_path: Path) -> None:
    """A record of an H200, made up for this test, at 4 ms and 600 W: 16,000/s and 37.5 mJ, 58.1 of 66.9 TFLOP/s."""
    like = data_root() / "specs" / "measurements" / "nvidia-p4-resnet50-int8-tensorrt-2018.json"
    about = {"workload": "resnet18", "hardware": "nvidia-h200-sxm", "dtype": "fp32"}
    body = json.loads(like.read_text("utf-8")) | about | {"id": "nvidia-h200-sxm-resnet18-fp32-made-up"}
    quantity = {"value": 4, "unit": "ms", "source": "inoue"}, {"value": 600, "unit": "W", "source": "inoue"}
    body["points"] = [{"batch": 64, "latency": quantity[0], "power": quantity[1]}]
    (tmp_path / "measurements").mkdir()
    (tmp_path / "measurements" / f"{body['id']}.json").write_text(json.dumps(body), encoding="utf-8")
    told = {one.claim.id: one.because for one in judge(claims(STUDY), load((tmp_path,)))}
    assert told["T401"].endswith("measured: unknown on H100, 4 ms on H200")
    assert told["T501"].endswith("measured: unknown on H100, 37.5 mJ on H200")
    assert told["T601"].endswith("measured: unknown on H100, 86.8 % on H200")
    assert told["E101"].endswith("measured on H200: unknown to 37.5 mJ")
    assert told["T402"].endswith("measured: unknown on H100, unknown on H200")


def test_a_message_is_about_the_last_batch_at_which_the_condition_fails() -> None:
    facts = {"latency": {"figure": "latency", "series": "l4"}}
    plain = {"possible": None, "because": "batch {at}: {latency}"}
    assert slide(facts=facts, holds="latency > 0.001", **plain).because == "batch 1: 0.55 ms"
    assert slide(facts=facts, holds="latency > 0", **plain).because == "batch 8: 1.4 ms"


def test_a_chip_that_is_not_there_is_an_error_that_names_claim_and_fact() -> None:
    facts = {"bound": {"estimate": "latency_lower_bound_s", "workload": "resnet50", "hardware": "nvidia-l5", "dtype": "fp16"}}
    with pytest.raises(ClaimError, match=r"slide, A101, fact bound: no hardware 'nvidia-l5'; did you mean nvidia-l4"):
        slide(facts=facts, possible=None, holds="bound > 0", because="{bound}")


def test_the_study_is_judged_claim_by_claim(study: dict[str, Judged]) -> None:
    assert len(study) >= 25
    assert {one.verdict for one in study.values()} >= {
        "holds", "holds with correction", "contradicts itself", "modelled only",
    }  # fmt: skip
    for one in study.values():
        assert any(character.isdigit() for character in one.because)
        assert "unknown" not in one.because.split("; measured")[0]


def test_the_study_contradicts_itself_where_its_arithmetic_does(study: dict[str, Judged]) -> None:
    """By hand: 3700/s x 8.3 GFLOP / 60 TFLOP/s = 51.2 %; 0.276 x 60 TFLOP/s / 10869/s = 1.52 GFLOP."""
    assert study["T202"].because == "at batch 64, 3,700/s of 8.3 GFLOP on 60 TFLOP/s are 51.2 %; 29.6 % is stated"
    assert "1.52 GFLOP at batch 64" in study["T301"].because
    assert [study[name].verdict for name in ("T202", "T301", "N103")] == ["contradicts itself"] * 3


def test_the_study_counts_what_is_corrected(study: dict[str, Judged]) -> None:
    assert [study[name].verdict for name in ("N101", "N102", "H101", "H102")] == [
        "holds with correction", "holds", "holds with correction", "holds with correction",
    ]  # fmt: skip
    assert "114 SM has 51.22 TFLOP/s" in study["H101"].because
    assert study["H102"].because.endswith("137.5 TFLOP/s is four of the eight, one core of two")


def test_no_variant_of_a_study_is_in_the_catalogue() -> None:
    assert not set(claims(STUDY).variants) & set(catalog().accelerators.ids)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(("claims", *arguments))
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def test_the_command_prints_every_claim_in_every_format(capsys: pytest.CaptureFixture[str], study: dict[str, Judged]) -> None:
    told = json.loads(run(capsys, "--format", "json")[1])
    assert {claim["id"]: claim["verdict"] for claim in told["claims"]} == {name: one.verdict for name, one in study.items()}
    assert sum(told["files"][0]["verdicts"].values()) == len(study)
    assert told["claims"][1]["facts"]["implied"]["unit"] == "%"
    assert run(capsys, "--format", "md")[1].count("\n| ") == len(study) + 2
    text = run(capsys)[1]
    assert all(f"\n{name}  {one.verdict}\n" in text for name, one in study.items())
    assert max(map(len, text.splitlines())) <= 100


def test_a_file_that_holds_no_claims_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, str(data_root() / "specs" / "workloads" / "resnet50.json"))
    assert (code, out) == (2, "")
    assert "it is no file of claims" in err
    assert run(capsys, "nowhere.json")[0] == 2


def test_what_is_not_finite_is_unknown_and_half_a_digit_is_that_of_small_numbers_too() -> None:
    plain = {"possible": None, "because": "{said}"}
    nothing = FACTS | {"none": {"formula": "said / (said - said)", "unit": "1"}}
    assert slide(facts=nothing, holds="none > 1", **plain).verdict == "cannot be judged"
    small = {"said": {"stated": {"value": 1e-05, "unit": "s", "source": "slide"}}}
    assert slide(facts=small, holds="said_off < 0.00001", **plain).verdict == "holds"


def test_a_figure_at_one_batch_may_be_the_batch() -> None:
    facts = {"one": {"figure": "batch", "series": "l4", "at": 8}, "latency": {"figure": "latency", "series": "l4"}}
    assert slide(facts=facts, possible=None, holds="one == 8 and latency > 0", because="{one}").verdict == "holds"
