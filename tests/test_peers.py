"""The benchmark beside other packages: what it asks exists and is pinned, and what it prints adds up. No peer is installed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from engine import load, predict

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module", name="modules")
def imported() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module("peers"), importlib.import_module("peer_driver")


@pytest.fixture
def peers(modules: Any) -> Any:
    return modules[0]


@pytest.fixture
def driver(modules: Any) -> Any:
    return modules[1]


def test_every_peer_is_pinned_and_says_what_it_models(peers: Any, driver: Any) -> None:
    for peer in peers.PEERS:
        pins = (FOLDER / "peers" / f"{peer.name}.txt").read_text(encoding="utf-8").splitlines()[1:]
        assert [line for line in pins if line.lower().replace("_", "-").startswith(f"{peer.name}==")] != []
        assert all("==" in line for line in pins)
        assert set(peer.models) == set(peer.commands) <= set(peers.QUESTIONS)
        assert peer.name in driver.PACKAGES


def test_roofwise_is_asked_for_the_estimates_of_predict(driver: Any) -> None:
    catalog = load()
    for name, question in driver.QUESTIONS.items():
        found = driver.PACKAGES["roofwise"](name, None)([question.batch])
        for title, workload in question.passes.items():
            (row,) = predict(workload, [driver.CHIP], [question.batch], [question.dtype], catalog=catalog)
            assert found[title] == [row["latency_estimate_s"]]


def test_the_tokens_of_a_prompt_are_those_of_the_workloads(driver: Any) -> None:
    workloads, passes = load().workloads, driver.QUESTIONS["text"].passes
    assert workloads[passes["prefill"]].sizes["seq_len"].default == driver.TOKENS
    assert workloads[passes["decode"]].sizes["context"].default == driver.TOKENS


def test_a_package_without_calls_for_many_batches_is_asked_for_one_after_the_other(driver: Any) -> None:
    ask = driver.one_by_one(lambda batch: {"prefill": 2.0 * batch, "decode": 1.0})
    assert ask([1, 3]) == {"prefill": [2.0, 6.0], "decode": [1.0, 1.0]}


def test_the_time_of_an_evaluation_is_a_calls_over_passes_and_batches(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def spent(work: Any) -> float:
        work()
        return 12.0

    def ask(batches: Any) -> dict[str, list[float]]:
        asked.append(len(batches))
        return {"prefill": [0.5] * len(batches), "decode": [0.25] * len(batches)}

    monkeypatch.setattr(driver, "spent", spent)
    question = driver.QUESTIONS["text"]
    found = driver.timed(ask, question._replace(largest=3))
    assert asked == [1, 1, 3]
    assert found["answers_s"] == {"prefill": 0.5, "decode": 0.25}
    assert (found["pass_s"], found["sweep_pass_s"]) == (6.0, 2.0)


def comparison(peers: Any) -> Any:
    """Return a made-up comparison: the peer takes 4 s, 3 s and 5 s as a process, Roofwise 2 s, 1 s and 2 s."""
    question = peers.QUESTIONS["image"]
    times = {"answers_s": {"pass": 1e-3}, "first_s": 2.0, "pass_s": 0.5, "sweep_pass_s": 0.1}
    return peers.Comparison(
        peer=peers.PEERS[0],
        question="image",
        theirs={"version": "1", **times},
        ours={"version": "2", **times, "sweep_pass_s": 0.001, "answers_s": dict.fromkeys(question.passes, 4e-3)},
        cold=[[4.0, 2.0, 8.0], [3.0, 1.0, 3.0], [5.0, 2.0, 5.0]],
    )


def test_ratios_are_the_peers_time_over_ours(peers: Any) -> None:
    found = comparison(peers)
    assert (found.whole(0), found.whole(1), found.whole_ratio(1), found.whole_ratio(2)) == (4.0, 2.0, 2.5, 1.0)
    assert peers.both(found, "sweep_pass_s") == (0.1, 0.001, pytest.approx(100.0))
    assert peers.answers(found) == [("pass", 1e-3, 4e-3)]
    assert "answer: pass                                      1 ms            4 ms      0.25   at least" in peers.block(found)
    assert "| image | mlsysim 1 | 4 s / 2 s: 2.5 | 500 ms / 500 ms: 1 | 100 ms / 1 ms: 100 |" in peers.tables([found])


@pytest.mark.parametrize(("seconds", "text"), [(4.406, "4.41 s"), (0.0123, "12.3 ms"), (5.6e-5, "56 us")])
def test_times_have_three_digits(peers: Any, seconds: float, text: str) -> None:
    assert peers.duration(seconds) == text


def test_a_peer_that_fails_is_left_out_with_its_last_words(peers: Any) -> None:
    with pytest.raises(peers.LeftOutError, match="ValueError: no such chip"):
        peers.output((sys.executable, "-c", "raise ValueError('no such chip')"))


def test_a_model_is_handed_over_as_published(peers: Any) -> None:
    found = peers.llm_analysis_config(
        {
            "model_type": "llama", "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "hidden_size": 64, "intermediate_size": 96, "vocab_size": 100, "max_position_embeddings": 128,
        }
    )  # fmt: skip
    assert (found["hidden_dim"], found["ffn_embed_dim"], found["expansion_ratio"]) == (64, 96, 1.5)
    assert (found["num_layers"], found["n_head"], found["num_key_value_heads"], found["vocab_size"]) == (2, 4, 2, 100)
