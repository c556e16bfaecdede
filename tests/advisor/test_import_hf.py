"""Hugging Face configurations: parameters against those that frameworks and authors count, work and cache by hand, faults."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import strategies

from advisor import cli
from advisor.importers import hf
from advisor.importers.graphs import Logits, Phase, stacked
from advisor.validation import validate_file
from engine import build
from engine.errors import SpecError
from engine.network import Network

CONFIGS = Path(__file__).parents[1] / "configs"
WORKLOADS = strategies.catalog().workloads

COUNTED = {
    "bert-base-uncased": 109_482_240,
    "bert-large-uncased": 335_141_888,
    "deepseek-v2-lite": 15_706_484_224,
    "deepseek-v3": 671_026_404_352,
    "distilbert-base-uncased": 66_362_880,
    "gemma-2-9b": 9_241_705_984,
    "gemma-3-1b": 999_885_952,
    "gpt-neox-20b": 20_554_567_680,
    "gpt2": 124_439_808,
    "gpt2-large": 774_030_080,
    "gpt2-medium": 354_823_168,
    "gpt2-xl": 1_557_611_200,
    "llama-2-70b": 68_976_648_192,
    "llama-2-7b": 6_738_415_616,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-8b": 8_030_261_248,
    "mistral-7b-v0.1": 7_241_732_096,
    "mixtral-8x7b-v0.1": 46_702_792_704,
    "opt-1.3b": 1_315_758_080,
    "phi-3-mini-4k": 3_821_079_552,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-32b": 32_762_123_264,
    "roberta-base": 124_055_040,
    "vit-base-patch16-224": 86_567_656,
    "whisper-large-v3": 1_543_490_560,
}
"""Parameters that transformers 5.24.0 makes of these files on torch's meta device, without heads of other tasks."""

PUBLISHED = {
    "bert-base-uncased": 110e6,  # Devlin et al. 2018, section 3
    "deepseek-v2-lite": 15.7e9,  # DeepSeek-V2, arXiv 2405.04434, appendix B
    "deepseek-v3": 671e9,  # DeepSeek-V3, arXiv 2412.19437, abstract
    "gemma-2-9b": 917_962_752 + 8_324_201_984,  # Gemma 2, arXiv 2408.00118, table 2: with 128 more rows of the vocabulary
    "gpt-neox-20b": 20_554_567_680,  # Black et al. 2022, arXiv 2204.06745, and the model card
    "gpt2": 124e6,  # openai/gpt-2, README
    "gpt2-medium": 355e6,
    "gpt2-large": 774e6,
    "gpt2-xl": 1558e6,
    "llama-3.1-8b": 8.03e9,  # model page, size of the weights
    "llama-3.1-70b": 70.6e9,
    "mistral-7b-v0.1": 7.24e9,
    "mixtral-8x7b-v0.1": 46.7e9,  # Mistral AI, "Mixtral of experts", 2023-12-11
    "phi-3-mini-4k": 3.82e9,  # model page
    "qwen2.5-7b": 7.61e9,  # model card
    "qwen3-30b-a3b": 30.5e9,
    "qwen3-32b": 32.8e9,
    "vit-base-patch16-224": 86.6e6,  # torchvision.models.vit_b_16
    "whisper-large-v3": 1550e6,  # Radford et al. 2022, table 1
}
"""Parameters that authors print."""

ACTIVE = {"mixtral-8x7b-v0.1": 12.9e9, "qwen3-30b-a3b": 3.3e9, "deepseek-v3": 37e9}
"""Those that serve a token, as authors print them; some leave the table of embeddings out."""


@cache
def imported(name: str, phase: Phase = "prefill", logits: Logits = "last") -> hf.Imported:
    """Return what comes of a configuration of the corpus."""
    path = CONFIGS / f"{name}.json"
    return hf.imported(path.read_text(encoding="utf-8"), str(path), phase=phase, logits=logits)


@cache
def network(name: str, phase: Phase = "prefill", logits: Logits = "last", **sizes: int) -> Network:
    """Return the network of a configuration of the corpus, at the sizes that are given."""
    return build(imported(name, phase, logits).workload, sizes)


def changed(name: str, **fields: Any) -> str:
    """Return the text of a configuration of the corpus with other fields; `...` takes a field away."""
    config = json.loads((CONFIGS / f"{name}.json").read_text(encoding="utf-8")) | fields
    return json.dumps({key: value for key, value in config.items() if value is not ...})


def faults(text: str, **options: Any) -> list[str]:
    """Return the faults of a configuration, each as a line."""
    with pytest.raises(SpecError) as stop:
        hf.imported(text, "config.json", **options)
    return [str(fault) for fault in stop.value.faults]


# Parameters.


def test_every_configuration_of_the_corpus_is_counted() -> None:
    assert {path.stem for path in CONFIGS.glob("*.json")} == set(COUNTED)


@pytest.mark.parametrize("name", COUNTED)
def test_parameters_are_those_that_the_framework_makes(name: str) -> None:
    assert network(name).parameters == COUNTED[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_that_authors_print(name: str) -> None:
    assert network(name).parameters == pytest.approx(PUBLISHED[name], rel=0.005)


@pytest.mark.parametrize("name", ACTIVE)
def test_active_parameters_are_those_that_authors_print(name: str) -> None:
    found = network(name)
    table = found.nodes[0].cost.parameters
    assert ACTIVE[name] == pytest.approx(found.active_parameters, rel=0.02) or (
        found.active_parameters - table <= ACTIVE[name] * 1.005 <= found.active_parameters
    )


# Work: twice the active parameters that a token multiplies, and attention.


def one_token(name: str) -> tuple[float, float]:
    """Return the work of a token alone, and what each token before it adds."""
    return hf.work_of_tokens(imported(name).workload)


def test_work_of_llama_by_hand() -> None:
    width, kv, wide, layers, vocabulary = 4096, 8 * 128, 14336, 32, 128256
    linear = layers * (width * (width + 2 * kv) + width**2 + 3 * width * wide) + width * vocabulary
    pair = 4 * width * layers
    assert one_token("llama-3.1-8b") == (2 * linear + pair, pair)
    assert linear == COUNTED["llama-3.1-8b"] - width * vocabulary - (2 * layers + 1) * width


def test_work_of_gpt2_by_hand() -> None:
    width, layers, vocabulary = 768, 12, 50257
    linear, pair = layers * 12 * width**2 + width * vocabulary, 4 * width * layers
    assert one_token("gpt2") == (2 * linear + pair, pair)


def test_work_of_experts_by_hand() -> None:
    width, kv, wide, layers, vocabulary, active = 4096, 8 * 128, 14336, 32, 32000, 2
    linear = layers * (width * (width + 2 * kv) + width**2 + 8 * width + active * 3 * width * wide) + width * vocabulary
    pair = 4 * width * layers
    assert one_token("mixtral-8x7b-v0.1") == (2 * linear + pair, pair)
    active_parameters = network("mixtral-8x7b-v0.1").active_parameters
    assert linear == active_parameters - width * vocabulary - (2 * layers + 1) * width


def test_work_of_latent_attention_by_hand() -> None:
    width, heads, head, rope, value, latent, rank, layers = 7168, 128, 128, 64, 128, 512, 1536, 61
    attention = width * rank + rank * heads * (head + rope) + width * (latent + rope)
    attention += latent * heads * (head + value) + heads * value * width
    dense, sparse = 3 * width * 18432, width * 256 + (8 + 1) * 3 * width * 2048
    linear = layers * attention + 3 * dense + 58 * sparse + width * 129280
    pair = 2 * heads * (head + rope + value) * layers
    assert one_token("deepseek-v3") == (2 * linear + pair, pair)


def test_work_of_heads_wider_than_the_width_by_hand() -> None:
    width, heads, kv, head, wide, layers, vocabulary = 3584, 16, 8, 256, 14336, 42, 256000
    linear = layers * (width * head * (heads + 2 * kv) + heads * head * width + 3 * width * wide) + width * vocabulary
    pair = 4 * heads * head * layers
    assert one_token("gemma-2-9b") == (2 * linear + pair, pair)


COUNTED_WORK = {
    "bert-base-uncased": 1_838_284_800,
    "deepseek-v2-lite": 47_664_070_656,
    "distilbert-base-uncased": 1_837_105_152,
    "gemma-2-9b": 168_309_030_912,
    "gemma-3-1b": 45_558_530_048,
    "gpt-neox-20b": 155_826_782_208,
    "gpt2": 6_777_569_280,
    "llama-3.1-8b": 123_211_874_304,
    "mistral-7b-v0.1": 72_746_008_576,
    "opt-1.3b": 26_130_513_920,
    "phi-3-mini-4k": 41_699_770_368,
    "qwen2.5-7b": 129_536_884_736,
    "qwen3-32b": 224_663_699_456,
}
"""FLOP that torch 2.13's FlopCounterMode counts for a pass of 64 tokens over two dense layers, with all logits."""


@pytest.mark.parametrize("name", COUNTED_WORK)
def test_work_is_what_the_framework_counts(name: str) -> None:
    layers = {"num_hidden_layers": 2, "n_layer": 2, "n_layers": 2, "first_k_dense_replace": 2}
    known = json.loads((CONFIGS / f"{name}.json").read_text(encoding="utf-8"))
    text = changed(name, **{field: number for field, number in layers.items() if field in known})
    made = hf.imported(text, "config.json", logits="all")
    assert build(made.workload, {"seq_len": 64}).work == COUNTED_WORK[name]


NARROW = {
    "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2,
    "vocab_size": 128, "max_position_embeddings": 256,
}  # fmt: skip
LATENT = {
    "num_hidden_layers": 3, "first_k_dense_replace": 1, "num_key_value_heads": 4, "q_lora_rank": 24, "kv_lora_rank": 32,
    "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16, "n_routed_experts": 8, "moe_intermediate_size": 48,
    "num_experts_per_tok": 2,
}  # fmt: skip
SPARSE = {"head_dim": 32, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
MIXED: dict[str, tuple[dict[str, int], int, int]] = {
    "mixtral-8x7b-v0.1": (NARROW, 15_859_712, 337_216),
    "qwen3-30b-a3b": (NARROW | SPARSE, 16_384_000, 214_464),
    "deepseek-v3": (NARROW | LATENT, 20_152_320, 246_120),
}
"""Narrow mixtures of experts, with FLOP of 64 tokens and parameters as torch and transformers count them."""


@pytest.mark.parametrize("name", MIXED)
def test_work_of_mixtures_is_what_the_framework_counts(name: str) -> None:
    fields, work, parameters = MIXED[name]
    made = build(hf.imported(changed(name, **fields), "config.json", logits="all").workload, {"seq_len": 64})
    assert (made.work, made.parameters) == (work, parameters)


# The cache of keys and values.


@pytest.mark.parametrize(
    ("name", "elements"),
    [
        ("gpt2", 12 * 2 * 768),
        ("llama-2-7b", 32 * 2 * 4096),
        ("llama-3.1-8b", 32 * 2 * 8 * 128),
        ("llama-3.1-70b", 80 * 2 * 8 * 128),
        ("qwen3-32b", 64 * 2 * 8 * 128),
        ("gemma-2-9b", 42 * 2 * 8 * 256),
        ("deepseek-v2-lite", 27 * (512 + 64)),
        ("deepseek-v3", 61 * (512 + 64)),
        ("whisper-large-v3", 32 * 2 * 1280),
        ("bert-base-uncased", 0),
    ],
)
def test_cache_of_a_token(name: str, elements: int) -> None:
    assert network(name).cache_elements_per_token == elements


def test_cache_of_a_sample_with_windows() -> None:
    each = 2 * 1 * 256
    held = network("gemma-3-1b", seq_len=1, context=9999).cache_elements
    assert held == each * (22 * 512 + 4 * 10_000)  # of 26 layers every sixth sees all tokens
    assert network("mistral-7b-v0.1", seq_len=1, context=9999).cache_elements == 32 * 2 * 8 * 128 * 4096
    assert network("phi-3-mini-4k", seq_len=3000).cache_elements == 32 * 2 * 3072 * 2047


def test_cache_of_whisper_has_the_sound_too() -> None:
    sound = 32 * 2 * 1280 * 1500
    first = network("whisper-large-v3", seq_len=4)
    assert first.cache_elements == sound + 4 * 32 * 2 * 1280
    assert first.cache_reads == 0
    later = network("whisper-large-v3", "decode", seq_len=1, context=100)
    assert later.cache_elements == sound + 101 * 32 * 2 * 1280
    assert later.cache_reads == sound + 100 * 32 * 2 * 1280


# The catalogue has the same networks.

SAME: dict[str, tuple[str, dict[str, Any]]] = {
    "bert-base": ("bert-base-uncased", {}),
    "bert-large": ("bert-large-uncased", {}),
    "distilbert": ("distilbert-base-uncased", {}),
    "gpt2": ("gpt2", {"logits": "all"}),
    "gpt2-medium": ("gpt2-medium", {"logits": "all"}),
    "gpt2-large": ("gpt2-large", {"logits": "all"}),
    "gpt2-xl": ("gpt2-xl", {"logits": "all"}),
    "opt-1.3b": ("opt-1.3b", {"logits": "all"}),
    "llama-2-7b": ("llama-2-7b", {"logits": "all"}),
    "llama-2-70b": ("llama-2-70b", {}),
    "llama-3.1-8b": ("llama-3.1-8b", {}),
    "llama-3.1-8b-decode": ("llama-3.1-8b", {"phase": "decode"}),
    "llama-3.1-70b": ("llama-3.1-70b", {}),
    "llama-3.1-70b-decode": ("llama-3.1-70b", {"phase": "decode"}),
    "mixtral-8x7b": ("mixtral-8x7b-v0.1", {}),
    "mixtral-8x7b-decode": ("mixtral-8x7b-v0.1", {"phase": "decode"}),
    "qwen3-32b": ("qwen3-32b", {}),
    "qwen3-32b-decode": ("qwen3-32b", {"phase": "decode"}),
    "deepseek-v3": ("deepseek-v3", {}),
    "deepseek-v3-decode": ("deepseek-v3", {"phase": "decode"}),
    "whisper-large-v3": ("whisper-large-v3", {}),
    "vit-b-16": ("vit-base-patch16-224", {}),
}


@pytest.mark.parametrize("name", SAME)
def test_the_catalogue_has_the_same_network(name: str) -> None:
    ours, theirs = build(WORKLOADS[name]), network(SAME[name][0], **SAME[name][1])
    assert (ours.sizes, ours.work, ours.work_min) == (theirs.sizes, theirs.work, theirs.work_min)
    assert (ours.parameters, ours.cache_elements) == (theirs.parameters, theirs.cache_elements)
    assert [kernel.cost for kernel in ours.kernels] == [kernel.cost for kernel in theirs.kernels]


@pytest.mark.parametrize("name", [name for name in WORKLOADS.ids if name.endswith("-decode")])
def test_a_step_of_generation_is_the_prompt_with_other_defaults(name: str) -> None:
    step, prompt = WORKLOADS[name], WORKLOADS[name.removesuffix("-decode")]
    assert step.graph == prompt.graph
    assert (step.sizes["seq_len"].default, prompt.sizes["context"].default) == (1, 0)


# What a configuration may say otherwise.


def test_layers_of_one_kind_stand_on_one_line() -> None:
    (layer,) = [line for line in imported("gemma-2-9b").workload.graph if line.op == "gated_decoder_block"]
    assert (layer.repeat, layer.window, layer.global_every) == (42, 4096, 2)
    mixed = stacked([{"op": "a"}, {"op": "a"}, {"op": "b"}], [None, None, 5])
    assert mixed == [{"op": "a", "name": "layer_0", "repeat": 2}, {"op": "b", "name": "layer_1", "window": 5, "repeat": 1}]


def test_kinds_of_layers_may_be_listed() -> None:
    kinds = ["full_attention", "sliding_attention", "sliding_attention"]
    text = changed("qwen3-32b", num_hidden_layers=3, layer_types=kinds, use_sliding_window=True, sliding_window=7)
    made = build(hf.imported(text, "config.json").workload, {"seq_len": 1, "context": 100})
    assert made.cache_elements == 2 * 8 * 128 * (101 + 7 + 7)


def test_layers_without_experts_stand_between() -> None:
    text = changed("qwen3-30b-a3b", num_hidden_layers=4, decoder_sparse_step=2, mlp_only_layers=[3])
    made = build(hf.imported(text, "config.json").workload)
    width, experts = 2048, 128 * 3 * 768
    per_layer = width * 128 * (32 + 2 * 4) + 32 * 128 * width + 2 * width + 2 * 128
    assert made.parameters == 4 * per_layer + 3 * 3 * width * 6144 + width * (128 + experts) + 2 * width * 151936 + width


def test_a_model_without_a_head_has_no_logits() -> None:
    made = hf.imported(changed("llama-3.1-8b", architectures=["LlamaModel"]), "config.json")
    assert "logits" not in made.workload.sizes
    assert build(made.workload).parameters == COUNTED["llama-3.1-8b"] - 4096 * 128256
    assert "LlamaModel has no head" in made.notes[0]


def test_the_language_model_of_a_model_with_images() -> None:
    text = json.loads(changed("gemma-3-1b"))
    both = {"model_type": "gemma3", "text_config": text, "vision_config": {"hidden_size": 1152}, "mm_tokens_per_image": 256}
    made = hf.imported(json.dumps(both), "config.json")
    assert build(made.workload).parameters == COUNTED["gemma-3-1b"]
    assert any("encoder of images is left out" in note for note in made.notes)
    sparse = {"hidden_size": 3840, "intermediate_size": 15360, "num_attention_heads": 16, "num_hidden_layers": 48,
              "num_key_value_heads": 8, "sliding_window": 1024}  # fmt: skip
    made = hf.imported(json.dumps(both | {"text_config": sparse}), "config.json")
    assert "as its class has it: vocab_size 262208, head_dim 256" in made.notes[1]
    assert build(made.workload).parameters == pytest.approx(11.77e9, rel=0.001)


def test_the_type_may_follow_from_the_architecture() -> None:
    assert hf.imported(changed("llama-2-7b", model_type=...), "config.json").kind == "llama"
    assert hf.imported(changed("gpt2", model_type=...), "config.json").kind == "gpt2"


def test_what_was_not_read_is_told() -> None:
    text = changed("llama-3.1-8b", attention_chunk_size=8192, quantization_config={"quant_method": "gptq"}, use_mrope=False)
    made = hf.imported(text, "config.json")
    assert made.notes == (
        "quantization_config: the format of the weights is what --dtype asks for",
        "attention_chunk_size: not read",
    )
    assert made.workload.notes == made.notes


# Faults.


def test_a_missing_field_is_named_with_its_other_names() -> None:
    (told,) = faults(changed("gpt2", n_embd=...))
    assert told == "config.json:1:1: /n_embd: 'n_embd' is missing; expected a value for it; looked for n_embd, hidden_size"


def test_a_misspelt_field_is_suggested() -> None:
    (told,) = faults(changed("llama-2-7b", vocab_size=..., vocab_sizes=5))
    assert "did you mean vocab_sizes?" in told


def test_all_faults_are_told_in_one_run_with_their_places() -> None:
    text = json.dumps(json.loads(changed("llama-3.1-8b", hidden_size="wide", num_hidden_layers=0, hidden_act="mish")), indent=2)
    told = faults(text)
    assert [line.split(": ")[1] for line in told] == ["/num_hidden_layers", "/hidden_size", "/hidden_act"]
    assert all(
        text.splitlines()[int(line.split(":")[1]) - 1].strip().startswith(f'"{line.split(": ")[1][1:]}"') for line in told
    )


@pytest.mark.parametrize(
    ("name", "fields", "told"),
    [
        ("llama-3.1-8b", {"num_key_value_heads": 5}, "a divisor of the 32 heads"),
        ("llama-3.1-8b", {"hidden_size": 4097}, "a divisor of the width of 4097, or a head_dim"),
        ("llama-3.1-8b", {"hidden_size": True}, "a whole number from 1"),
        ("llama-3.1-8b", {"tie_word_embeddings": "yes"}, "true or false"),
        ("mixtral-8x7b-v0.1", {"num_experts_per_tok": 9}, "at most the 8 experts"),
        ("gemma-2-9b", {"layer_types": ["linear_attention"] * 42}, "'linear_attention', which is missing here"),
        ("gemma-2-9b", {"layer_types": ["full_attention"]}, "a kind for each of the 42 layers"),
        ("opt-1.3b", {"word_embed_proj_dim": 512}, "embeddings narrower than the layers are missing"),
        ("opt-1.3b", {"do_layer_norm_before": False}, "norms behind attention is missing"),
        ("bert-base-uncased", {"position_embedding_type": "relative_key"}, "positions relative to each other are missing"),
        ("bert-base-uncased", {"is_decoder": True}, "BERT with a causal mask is missing"),
        ("bert-base-uncased", {"hidden_size": 770}, "a divisor of the width of 770"),
        ("deepseek-v3", {"attention_bias": True}, "biases of latent attention are missing"),
        ("vit-base-patch16-224", {"patch_size": 300}, "at most the image of 224"),
        ("qwen3-30b-a3b", {"mlp_only_layers": [1.5]}, "a list of whole numbers"),
        ("gpt2", {"vocab_size": 10**12}, "a whole number from 1 to 1,000,000,000"),
    ],
)
def test_a_field_that_is_wrong_or_not_supported(name: str, fields: dict[str, Any], told: str) -> None:
    assert any(told in line for line in faults(changed(name, **fields)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"model_type": "t5"}', "'t5': positions relative to each other, and an encoder beside a decoder of that kind"),
        ('{"model_type": "mamba"}', "state-space layers, which is missing here"),
        ('{"model_type": "llamas"}', "did you mean llama?"),
        ('{"model_type": 5}', "expected one of llama, mistral, mixtral"),
        ("{}", "'model_type' is missing; expected one of llama"),
        ("[]", "a JSON list; expected an object"),
        ("", "no JSON here"),
        ('{"model_type": "gpt2", "n_embd": NaN}', "NaN is not a number in JSON"),
        ('{"model_type": "gpt2", "n_embd": 1e999}', "1e999 is not a number"),
        ('{"model_type": "gpt2", "model_type": "opt"}', "the key 'model_type' occurs twice"),
        ("[" * 200 + "]" * 200, "nested too deeply"),
        ('{"filler": "' + "x" * 10**6 + '"}', "more than 1,000,000 bytes"),
    ],
)
def test_a_text_that_is_no_configuration(text: str, told: str) -> None:
    assert any(told in line for line in faults(text))


def test_sizes_that_make_no_network() -> None:
    (told,) = faults(changed("llama-3.1-8b", head_dim=10**9, num_attention_heads=10**6, num_key_value_heads=1))
    assert told.startswith("config.json:1:1: /: no network of these sizes")


def test_an_encoder_has_no_step_of_generation() -> None:
    (told,) = faults(changed("vit-base-patch16-224"), phase="decode")
    assert told.endswith("/model_type: 'vit', which generates no tokens; expected --phase prefill")


# The command.


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[Any, str, str]:
    """Return exit code, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    shown = capsys.readouterr()
    return stop.value.code, shown.out, shown.err


def test_the_command_writes_a_spec_that_can_be_asked_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "My Model").mkdir()
    (tmp_path / "workloads").mkdir()
    config, spec = tmp_path / "My Model" / "config.json", tmp_path / "workloads" / "mine.json"
    config.write_text(changed("llama-3.1-8b", num_hidden_layers=2), encoding="utf-8")
    code, out, err = run(["import", "hf", str(config), "-o", str(spec), "--phase", "decode"], capsys)
    assert (code, err) == (0, "")
    assert "KV cache    4,096 elements per token: 8,192 B in bf16, 4,096 B in fp8" in out
    assert "work        1.923 GFLOP for one token, and 0.03277 MFLOP for each in its context" in out
    made = json.loads(spec.read_text(encoding="utf-8"))
    assert made["id"] == "my-model-decode"
    assert "sha256" in made["sources"]["config"]["title"]
    assert validate_file(spec).faults == ()
    asked = ["predict", "--specs", str(tmp_path), "--model", "my-model-decode", "--hardware", "nvidia-l4", "--batch", "1"]
    assert run(asked, capsys)[0] == 0


def test_the_command_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = changed("bert-base-uncased").encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text), encoding="utf-8"))
    code, out, err = run(["import", "hf", "-", "--id", "mine", "--name", "Mine"], capsys)
    assert code == 0
    assert (json.loads(out)["id"], json.loads(out)["name"]) == ("mine", "Mine")
    assert "109,482,240" in err


def test_the_group_shows_its_importers(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(["import"], capsys)
    assert (code, err) == (0, "")
    assert "hf " in out.partition("Commands:")[2]


@pytest.mark.parametrize("name", hf.FAMILIES)
def test_every_family_is_in_the_page_of_importing(name: str) -> None:
    page = (strategies.ROOT / "docs" / "importing.md").read_text(encoding="utf-8")
    assert f"`{name}`" in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.json"], "nowhere.json: No such file or directory; give a file, or - for standard input"),
        (["nowhere.json", "--phase", "prefil", "--logits", "none", "--id", "Mine!"], "--phase: no phase 'prefil'"),
        (["nowhere.json", "--phase", "prefil", "--logits", "none", "--id", "Mine!"], "--logits: no choice of logits 'none'"),
        (["nowhere.json", "--phase", "prefil", "--logits", "none", "--id", "Mine!"], "--id: 'Mine!' is no id"),
    ],
)
def test_the_command_refuses(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(["import", "hf", *arguments], capsys)
    assert (code, out) == (2, "")
    assert told in err
