"""Encoders of Hugging Face configurations, and Whisper, which has an encoder and a decoder."""

from __future__ import annotations

from typing import Any, Final

from .config import Config
from .graphs import NO_SAMPLING, Language, Line, Logits, Model, Phase, language_graph, language_sizes

_LAYERS: Final = 1000
_PADDING: Final = "padding of shorter texts: every sample has seq_len tokens"
_TEXT: Final = 128
"""Tokens of a text that is encoded, without another wish."""
_HEADS_LEFT_OUT: Final = "heads of tasks"


def _sums(tables: list[str]) -> list[Line]:
    """Return the sums of several embeddings, one after the other."""
    lines, last = [], tables[0]
    for index, table in enumerate(tables[1:], start=2):
        name = "embedded" if index == len(tables) else "placed"
        lines.append({"op": "elementwise", "name": name, "inputs": [last, table], "function": "add"})
        last = name
    return lines


def _text_encoder(config: Config, width: int, tables: dict[str, int], layer: Line, ending: list[Line]) -> Model:
    positions = config.whole("max_position_embeddings")
    embeddings = [
        {"op": "embedding", "name": name, "inputs": ["tokens"], "rows": rows, "width": width} for name, rows in tables.items()
    ]
    norm = {"op": "layer_norm", "name": "embedding_norm"}
    return Model(
        task="language encoding",
        sizes={"seq_len": (min(_TEXT, positions), 1, positions, "token")},
        inputs={"tokens": ["seq_len"]},
        graph=[*embeddings, *_sums(list(tables)), norm, layer, *ending],
        not_modelled=[_PADDING, _HEADS_LEFT_OUT],
    )


def _layer(config: Config, op: str, width: int, heads: str, layers: str, wide: str, activation: str) -> Line:
    """Return the line of encoder layers."""
    count = config.whole(heads)
    if width % count and not config.faults:
        config.fault(heads, f"a divisor of the width of {width}")
    function = config.activation(activation, default="gelu")
    return {
        "op": op, "name": "layer", "heads": count, "intermediate": config.whole(wide),
        **({} if function == "gelu" else {"activation": function}), "repeat": config.whole(layers, most=_LAYERS),
    }  # fmt: skip


def _pooler(width: int) -> list[Line]:
    return [
        {"op": "slice", "name": "class_token", "keep": 1, "drop_axis": True},
        {"op": "linear", "name": "pooler", "out_features": width},
        {"op": "activation", "name": "pooled", "function": "tanh"},
    ]


def bert(kind: str, config: Config, _phase: Phase, _logits: Logits) -> Model:
    """Return BERT or RoBERTa up to the pooler, which RoBERTa's masked language model has not; heads of tasks are left out."""
    width = config.whole("hidden_size")
    layer = _layer(
        config, "encoder_block", width, "num_attention_heads", "num_hidden_layers", "intermediate_size", "hidden_act"
    )
    tables = {
        "words": config.whole("vocab_size"),
        "positions": config.whole("max_position_embeddings"),
        "segments": config.whole("type_vocab_size", default=2),
    }
    config.must("position_embedding_type", wanted="absolute", why="positions relative to each other are missing")
    config.must("is_decoder", wanted=False, why="BERT with a causal mask is missing")
    config.must("add_cross_attention", wanted=False, why="an encoder's result to attend over is missing")
    config.used("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type")
    config.used("directionality", "tie_word_embeddings")
    config.must("chunk_size_feed_forward", wanted=0, why="a feed-forward network in chunks is missing")
    pooled = kind == "bert" or not any(name.endswith("ForMaskedLM") for name in config.texts("architectures"))
    return _text_encoder(config, width, tables, layer, _pooler(width) if pooled else [])


def distilbert(_kind: str, config: Config, _phase: Phase, _logits: Logits) -> Model:
    """Return DistilBERT, which has no segments and no pooler."""
    width = config.whole("dim", "hidden_size")
    layer = _layer(config, "encoder_block", width, "n_heads", "n_layers", "hidden_dim", "activation")
    tables = {"words": config.whole("vocab_size"), "positions": config.whole("max_position_embeddings")}
    config.used("sinusoidal_pos_embds", "tie_weights_", "tie_word_embeddings")
    return _text_encoder(config, width, tables, layer, [])


def vit(_kind: str, config: Config, _phase: Phase, _logits: Logits) -> Model:
    """Return a vision transformer with its classifier, or with its pooler where the architecture is the bare model."""
    width, image, patch = config.whole("hidden_size"), config.whole("image_size"), config.whole("patch_size")
    layer = _layer(
        config, "pre_norm_encoder_block", width, "num_attention_heads", "num_hidden_layers", "intermediate_size", "hidden_act"
    )
    config.must("qkv_bias", wanted=True, why="an encoder block without biases is missing")
    config.used("pooler_act", "pooler_output_size")
    channels = config.whole("num_channels", default=3)
    if patch > image and not config.faults:
        config.fault("patch_size", f"at most the image of {image}")
    ending = _image_ending(config, width)
    return Model(
        task="image classification",
        sizes={"image": (image, patch, max(image, 1024), "pixel")},
        inputs={"pixels": [channels, "image", "image"]},
        graph=[
            {"op": "conv2d", "name": "patches", "out_channels": width, "kernel": patch, "stride": patch},
            {"op": "flatten_spatial", "name": "tokens"},
            {"op": "prepend", "name": "class_token"},
            {"op": "positions", "name": "positions"},
            layer,
            {"op": "layer_norm", "name": "final_norm"},
            *ending,
        ],
    )


def _image_ending(config: Config, width: int) -> list[Line]:
    architectures = config.texts("architectures")
    if architectures and not any(name.endswith("ForImageClassification") for name in architectures):
        return _pooler(width)
    labels = config.data.get("id2label")
    classes = len(labels) if isinstance(labels, dict) and labels else config.whole("num_labels", default=2)
    return [
        {"op": "slice", "name": "class_output", "keep": 1, "drop_axis": True},
        {"op": "linear", "name": "head", "out_features": classes},
    ]


_PROMPT: Final = 4
"""Tokens of Whisper's prompt: start, language, task, no time stamps."""


def whisper(_kind: str, config: Config, phase: Phase, logits: Logits) -> Model:
    """Return Whisper: encoder and the decoder's prompt, or one step of the decoder alone."""
    width, tokens = config.whole("d_model", "hidden_size"), config.whole("max_source_positions")
    encoder = _layer(
        config, "pre_norm_encoder_block", width, "encoder_attention_heads", "encoder_layers", "encoder_ffn_dim",
        "activation_function",
    )  # fmt: skip
    decoder = _layer(
        config, "cross_decoder_block", width, "decoder_attention_heads", "decoder_layers", "decoder_ffn_dim",
        "activation_function",
    )  # fmt: skip
    encoded: dict[str, Any] = {"encoded": "encoded"} if phase == "prefill" else {}
    positions = config.whole("max_target_positions")
    config.used("num_hidden_layers")
    model = Language(
        vocabulary=config.whole("vocab_size"), width=width, positions=positions, learned=positions, norm={},
        layers=[{**decoder, "key_bias": False, **encoded, "encoded_tokens": tokens, "context": "context"}],
        tied=config.flag("tie_word_embeddings", default=True), prompt=_PROMPT,
    )  # fmt: skip
    bins = config.whole("num_mel_bins")
    sound, graph = _sound(width, encoder) if phase == "prefill" else [], language_graph(model)
    return Model(
        task="speech recognition",
        sizes=language_sizes(model, phase, logits),
        inputs=({"sound": [bins, 1, 2 * tokens]} if sound else {}) | {"tokens": ["seq_len"]},
        graph=[*sound, *graph],
        not_modelled=[
            NO_SAMPLING,
            "the spectrogram",
            *([] if sound else ["the encoder, and the projection of its result to keys and values: another pass has them"]),
        ],
    )


def _sound(width: int, encoder: Line) -> list[Line]:
    """Return the lines of the encoder, from the spectrogram on."""
    window: Line = {"op": "conv2d", "out_channels": width, "kernel": [1, 3], "padding": [0, 1]}
    return [
        {**window, "name": "frames"},
        {"op": "activation", "name": "frames_gelu", "function": "gelu"},
        {**window, "name": "halved", "stride": [1, 2]},
        {"op": "activation", "name": "halved_gelu", "function": "gelu"},
        {"op": "flatten_spatial", "name": "sound_tokens"},
        {"op": "positions", "name": "sound_positions"},
        {**encoder, "name": "encoder_layer", "key_bias": False},
        {"op": "layer_norm", "name": "encoded"},
    ]
