"""Decoders of Hugging Face configurations: one reader for each shape of layer, one row of traits for each `model_type`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from .config import Config
from .graphs import Language, Line, Logits, Model, Phase, language, stacked

_LAYERS: Final = 1000
_HEADED: Final = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
Windows = Literal["none", "all", "from_max_window_layers", "all_but_every"]


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a family of gated decoders has beside RMS norms and a gated feed-forward network."""

    qkv_bias: bool = False
    attention_bias: bool = False
    """Whether the field attention_bias is read."""
    ffn_bias: bool = False
    """Whether the field mlp_bias is read."""
    head_norm: bool = False
    post_norm: bool = False
    tied: bool = False
    head_dim: int | None = None
    activation: str = "silu"
    windows: Windows = "none"
    window: int | None = None
    """The sliding window where the field is not there."""
    every: int = 2
    """Every so many-th layer sees all tokens, where windows are `all_but_every`."""
    experts: Literal["mixtral", "qwen"] | None = None


GATED: Final[dict[str, Traits]] = {
    "llama": Traits(attention_bias=True, ffn_bias=True),
    "mistral": Traits(windows="all", window=4096),
    "mixtral": Traits(windows="all", experts="mixtral"),
    "qwen2": Traits(qkv_bias=True, windows="from_max_window_layers"),
    "qwen3": Traits(attention_bias=True, head_norm=True, windows="from_max_window_layers"),
    "qwen3_moe": Traits(attention_bias=True, head_norm=True, windows="from_max_window_layers", experts="qwen"),
    "gemma": Traits(attention_bias=True, tied=True, head_dim=256, activation="gelu"),
    "gemma2": Traits(
        attention_bias=True, post_norm=True, tied=True, head_dim=256, activation="gelu", windows="all_but_every", window=4096
    ),
    "gemma3_text": Traits(
        attention_bias=True, head_norm=True, post_norm=True, tied=True, head_dim=256, activation="gelu",
        windows="all_but_every", window=4096, every=6,
    ),
    "phi3": Traits(windows="all"),
}  # fmt: skip
"""Families of gated decoders by `model_type`; defaults are those of their configuration classes in transformers 5.24."""


def gated(kind: str, config: Config, phase: Phase, logits: Logits) -> Model:
    """Return a decoder of the families of GATED."""
    traits, layers = GATED[kind], config.whole("num_hidden_layers", most=_LAYERS)
    width, heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    line: Line = {
        "op": "gated_decoder_block", "heads": heads, **_kv_heads(config, heads), **_head_dim(config, traits, width, heads),
        "intermediate": config.whole("intermediate_size"),
        **_unless(config.activation("hidden_activation", "hidden_act", default=traits.activation), "silu", "activation"),
        **_biases(config, traits), **({"head_norm": True} if traits.head_norm else {}),
        **({"post_norm": True} if traits.post_norm else {}), "context": "context",
    }  # fmt: skip
    config.used("hidden_act")
    config.must("use_bidirectional_attention", wanted=False, why="attention of all tokens to all is missing")
    lines, windows = _mixed(config, traits, line, layers), _windows(config, traits, layers)
    return _language(config, width, stacked(lines, windows), phase, logits, tied=traits.tied)


def _language(
    config: Config, width: int, layers: list[Line], phase: Phase, logits: Logits, *, tied: bool,
    positions: int | None = None, **fields: Any,
) -> Model:  # fmt: skip
    """Return the model of layers; without learned positions they are rotary."""
    model = Language(
        vocabulary=config.whole("vocab_size"), width=width, layers=layers,
        positions=config.whole("max_position_embeddings") if positions is None else positions,
        tied=config.flag("tie_word_embeddings", default=tied), head=_headed(config), **fields,
    )  # fmt: skip
    return language(model, phase, logits, rotary=model.learned is None)


def _headed(config: Config) -> bool:
    """Return whether logits are computed; the head of another task is left out."""
    architectures = config.texts("architectures")
    if not architectures or any(name.endswith(_HEADED) for name in architectures):
        return True
    config.notes.append(
        f"architectures: {', '.join(architectures)[:200]} has no head of a language model, so there are no logits"
    )
    return False


def _kv_heads(config: Config, heads: int) -> Line:
    kv_heads = config.whole("num_key_value_heads", default=heads)
    if heads % kv_heads:
        config.fault("num_key_value_heads", f"a divisor of the {heads} heads")
    return {} if kv_heads == heads else {"kv_heads": kv_heads}


def _head_dim(config: Config, traits: Traits, width: int, heads: int) -> Line:
    head_dim = config.maybe("head_dim", default=traits.head_dim)
    if head_dim is None and width % heads and not config.faults:
        config.fault("num_attention_heads", f"a divisor of the width of {width}, or a head_dim")
    return {} if head_dim is None or head_dim * heads == width else {"head_dim": head_dim}


def _biases(config: Config, traits: Traits) -> Line:
    found: Line = {"qkv_bias": True} if traits.qkv_bias else {}
    if traits.attention_bias and config.flag("attention_bias", default=False):
        found["attention_bias"] = True
    if traits.ffn_bias and config.flag("mlp_bias", default=False):
        found["ffn_bias"] = True
    return found


def _unless(value: Any, usual: Any, name: str) -> Line:
    return {} if value == usual else {name: value}


def _mixed(config: Config, traits: Traits, dense: Line, layers: int) -> list[Line]:
    """Return a line for each layer, with experts in those that have them."""
    if traits.experts is None:
        return [dense] * layers
    experts = {
        "experts": config.whole("num_local_experts", "num_experts"),
        "active": config.whole("num_experts_per_tok", default=2 if traits.experts == "mixtral" else 8),
    }
    _check_active(config, experts)
    if traits.experts == "mixtral":
        return [dense | experts] * layers
    experts["intermediate"] = config.whole("moe_intermediate_size")
    step, plain = config.whole("decoder_sparse_step", default=1), set(config.wholes("mlp_only_layers"))
    sparse = [index not in plain and (index + 1) % step == 0 for index in range(layers)]
    return [dense | experts if mixed else dense for mixed in sparse]


def _check_active(config: Config, experts: Line) -> None:
    if experts["active"] > experts["experts"] and not config.faults:
        config.fault("num_experts_per_tok", f"at most the {experts['experts']} experts")


def _windows(config: Config, traits: Traits, layers: int) -> list[int | None]:
    """Return the sliding window of each layer, None where it sees all tokens."""
    kinds = config.texts("layer_types") if traits.windows != "none" else []
    window = config.maybe("sliding_window", default=traits.window) if traits.windows != "none" else None
    sliding = _WINDOWED[traits.windows](config, traits, layers)
    if kinds:
        sliding = _typed(config, kinds, layers)
    return [window if slides else None for slides in sliding]


def _typed(config: Config, kinds: Sequence[str], layers: int) -> list[bool]:
    odd = [kind for kind in kinds if kind not in ("full_attention", "sliding_attention")]
    if odd:
        config.fault("layer_types", "full_attention or sliding_attention", f"{odd[0][:60]!r}, which is missing here")
    if len(kinds) != layers:
        config.fault("layer_types", f"a kind for each of the {layers} layers", f"{len(kinds)} kinds")
    return [kind == "sliding_attention" for kind in kinds][:layers] + [False] * max(layers - len(kinds), 0)


def _from_max(config: Config, _traits: Traits, layers: int) -> list[bool]:
    if not config.flag("use_sliding_window", default=False):
        config.used("sliding_window", "max_window_layers")
        return [False] * layers
    first = config.whole("max_window_layers", default=0, least=0)
    return [index >= first for index in range(layers)]


def _all_but_every(config: Config, traits: Traits, layers: int) -> list[bool]:
    every = config.whole("sliding_window_pattern", "_sliding_window_pattern", default=traits.every)
    return [(index + 1) % every != 0 for index in range(layers)]


_WINDOWED: Final[dict[str, Callable[[Config, Traits, int], list[bool]]]] = {
    "none": lambda _config, _traits, layers: [False] * layers,
    "all": lambda _config, _traits, layers: [True] * layers,
    "from_max_window_layers": _from_max,
    "all_but_every": _all_but_every,
}


def deepseek(_kind: str, config: Config, phase: Phase, logits: Logits) -> Model:
    """Return DeepSeek-V2 or V3: latent attention, the first layers dense, then experts, some of them shared."""
    layers, width = config.whole("num_hidden_layers", most=_LAYERS), config.whole("hidden_size")
    rank = config.maybe("q_lora_rank")
    line: Line = {
        "op": "latent_decoder_block", "heads": config.whole("num_attention_heads"),
        "head_dim": config.whole("qk_nope_head_dim"), "rope_dim": config.whole("qk_rope_head_dim"),
        "value_dim": config.whole("v_head_dim"), "latent": config.whole("kv_lora_rank"),
        **({} if rank is None else {"query_rank": rank}), "intermediate": config.whole("intermediate_size"),
        **_unless(config.activation("hidden_act", default="silu"), "silu", "activation"), "context": "context",
    }  # fmt: skip
    config.used("num_key_value_heads", "qk_head_dim", "head_dim")
    config.must("attention_bias", wanted=False, why="biases of latent attention are missing")
    config.must("mlp_bias", wanted=False, why="biases of experts are missing")
    config.note("num_nextn_predict_layers", "layers that predict further tokens are left out, as in the published total")
    lines = _deepseek_layers(config, line, layers)
    return _language(config, width, stacked(lines, [None] * layers), phase, logits, tied=False)


def _deepseek_layers(config: Config, dense: Line, layers: int) -> list[Line]:
    routed = config.maybe("n_routed_experts", "num_local_experts")
    if routed is None:
        return [dense] * layers
    wide, shared = config.whole("moe_intermediate_size"), config.maybe("n_shared_experts", least=0) or 0
    experts = {"intermediate": wide, "experts": routed, "active": config.whole("num_experts_per_tok")}
    _check_active(config, experts)
    if shared:
        experts["shared_intermediate"] = shared * wide
    first, step = config.whole("first_k_dense_replace", default=0, least=0), config.whole("moe_layer_freq", default=1)
    return [dense | experts if index >= first and index % step == 0 else dense for index in range(layers)]


def _plain(config: Config, width: int, **fields: Any) -> Line:
    """Return the line of a decoder layer with layer norms and biases."""
    heads = config.whole("num_attention_heads", "n_head")
    if width % heads and not config.faults:
        config.fault(
            "num_attention_heads" if "num_attention_heads" in config.data else "n_head", f"a divisor of the width of {width}"
        )
    return {"op": "decoder_block", "heads": heads, **fields, "context": "context"}


def gpt2(_kind: str, config: Config, phase: Phase, logits: Logits) -> Model:
    """Return GPT-2: learned positions, norms before attention and feed-forward, tied embeddings."""
    width, layers = config.whole("n_embd", "hidden_size"), config.whole("n_layer", "num_hidden_layers", most=_LAYERS)
    wide = config.maybe("n_inner") or 4 * width
    activation = config.activation("activation_function", default="gelu")
    line = _plain(config, width, intermediate=wide, **_unless(activation, "gelu", "activation"))
    config.must("add_cross_attention", wanted=False, why="an encoder's result to attend over is missing")
    positions = config.whole("n_positions", "n_ctx", "max_position_embeddings")
    config.used("n_ctx")
    return _language(
        config, width, stacked([line] * layers, [None] * layers), phase, logits, tied=True,
        positions=positions, learned=positions, norm={},
    )  # fmt: skip


_OPT_OFFSET: Final = 2
"""Rows of OPT's table of positions before that of the first token."""


def opt(_kind: str, config: Config, phase: Phase, logits: Logits) -> Model:
    """Return OPT: learned positions, norms before attention and feed-forward, tied embeddings."""
    width, layers = config.whole("hidden_size"), config.whole("num_hidden_layers", most=_LAYERS)
    activation = config.activation("activation_function", default="relu")
    line = _plain(config, width, intermediate=config.whole("ffn_dim"), **_unless(activation, "gelu", "activation"))
    config.must("do_layer_norm_before", wanted=True, why="a causal block with norms behind attention is missing")
    config.must("enable_bias", wanted=True, why="a decoder block without biases is missing")
    config.must("layer_norm_elementwise_affine", wanted=True, why="norms without scale and shift are missing")
    config.must("word_embed_proj_dim", wanted=width, why="embeddings narrower than the layers are missing")
    positions = config.whole("max_position_embeddings")
    bare = config.flag("_remove_final_layer_norm", default=False)
    return _language(
        config, width, stacked([line] * layers, [None] * layers), phase, logits, tied=True,
        positions=positions, learned=positions + _OPT_OFFSET, norm=None if bare else {},
    )  # fmt: skip


def gpt_neox(_kind: str, config: Config, phase: Phase, logits: Logits) -> Model:
    """Return GPT-NeoX: attention and feed-forward side by side, rotary positions, a head of its own."""
    width, layers = config.whole("hidden_size"), config.whole("num_hidden_layers", most=_LAYERS)
    activation, parallel = config.activation("hidden_act", default="gelu"), config.flag("use_parallel_residual", default=True)
    line = _plain(
        config, width, intermediate=config.whole("intermediate_size"), **_unless(activation, "gelu", "activation"),
        **({"parallel": True} if parallel else {}),
    )  # fmt: skip
    config.must("attention_bias", wanted=True, why="a decoder block without biases is missing")
    return _language(config, width, stacked([line] * layers, [None] * layers), phase, logits, tied=False, norm={})


_GEMMA3: Final = {
    "vocab_size": 262208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
    "max_position_embeddings": 131072,
}  # fmt: skip
"""What configurations of Gemma 3 leave out, as the class of their text_config in transformers 5.24 has it."""


def gemma3(_kind: str, config: Config, phase: Phase, logits: Logits) -> Model:
    """Return the language model of a Gemma 3 that also reads images."""
    if not isinstance(config.data.get("text_config"), dict):
        config.fault("text_config", "an object with the fields of the language model", "'text_config' is missing")
        config.check()
    config.used("text_config", "mm_tokens_per_image", "boi_token_index", "eoi_token_index", "image_token_index")
    config.note("vision_config", "the encoder of images is left out: work and parameters are those of the language model")
    inner = Config(config.document, "text_config", _GEMMA3)
    model = gated("gemma3_text", inner, phase, logits)
    config.notes += [*inner.notes, *(f"text_config: {name}: not read" for name in inner.unread())]
    return model
