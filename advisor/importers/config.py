"""The fields of a `config.json`: each is read once, by type; every fault has its place, and what nobody read is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from engine.documents import Document
from engine.errors import Fault, SpecError

LARGEST: Final = 10**9
_NEAR: Final = 0.85
"""How alike a field must be to be the misspelling of another: many fields are alike and mean different things."""
_SHOWN: Final = 60
"""Characters of a faulty value that a message shows."""
_TRAINING_AND_THE_LIKE: Final = """
_attn_implementation _attn_implementation_autoset _commit_hash _name_or_path activation_dropout apply_spec_augment
architectures attention_dropout attention_probs_dropout_prob attn_implementation attn_logit_softcapping attn_pdrop auto_map
aux_loss_alpha bad_words_ids begin_suppress_tokens bos_token_id cache_implementation classifier_dropout classifier_proj_size
decoder_layerdrop decoder_start_token_id dropout dtype early_stopping embd_pdrop encoder_layerdrop encoder_stride eos_token_id
ep_size final_logit_softcapping finetuning_task forced_decoder_ids gradient_checkpointing gradient_checkpointing_kwargs
head_type hidden_dropout hidden_dropout_prob id2label init_std initializer_factor initializer_range is_encoder_decoder
label2id language layer_norm_eps layer_norm_epsilon layerdrop length_penalty mask_feature_length mask_feature_min_masks
mask_feature_prob mask_time_length mask_time_min_masks mask_time_prob max_length median_filter_width model_type n_group
norm_topk_prob num_beams original_max_position_embeddings output_attentions output_hidden_states output_past
output_router_logits pad_token_id partial_rotary_factor prefix pretraining_tp problem_type qa_dropout query_pre_attn_scalar
reorder_and_upcast_attn resid_pdrop return_dict rms_norm_eps rope_interleave rope_local_base_freq rope_parameters rope_scaling
rope_theta rotary_emb_base rotary_pct routed_scaling_factor router_aux_loss_coef router_jitter_noise
scale_attn_by_inverse_layer_idx scale_attn_weights scale_embedding scoring_func seq_aux seq_classif_dropout summary_activation
summary_first_dropout summary_proj_to_labels summary_type summary_use_proj suppress_tokens task_specific_params temperature
tie_weights_ tokenizer_class topk_group topk_method torch_dtype torchscript transformers_version unk_token_id use_bfloat16
use_cache
"""
_HARMLESS: Final = frozenset(_TRAINING_AND_THE_LIKE.split())
"""Fields that change neither the operators nor their sizes: training, generation, positions that are computed, scales."""
_ELEMENTWISE: Final = {
    "silu": "silu", "swish": "silu", "relu": "relu", "tanh": "tanh", "gelu": "gelu", "gelu_new": "gelu", "gelu_fast": "gelu",
    "gelu_python": "gelu", "gelu_pytorch_tanh": "gelu", "quick_gelu": "gelu",
}  # fmt: skip
"""Activations by their name in a configuration -> the operator's function; approximations of one function cost the same."""
_REQUIRED: Final = object()


class Config:
    """The fields of one configuration, and what was found wrong with them."""

    def __init__(self, document: Document, inside: str | None = None, defaults: Mapping[str, Any] | None = None) -> None:
        """Read the fields of a document, or of the object `inside` it; `defaults` stand for fields that are not there."""
        self.document = document
        self.path: tuple[str, ...] = () if inside is None else (inside,)
        stated = document.data if inside is None else document.data[inside]
        self.data: Mapping[str, Any] = {**(defaults or {}), **stated}
        self.faults: list[Fault] = []
        taken = [f"{name} {value}" for name, value in (defaults or {}).items() if name not in stated]
        self.notes: list[str] = [f"not stated, so as its class has it: {', '.join(taken)}"] if taken else []
        self._read: set[str] = set()

    def fault(self, name: str, expected: str, found: str = "") -> None:
        """Note a fault of a field."""
        told = found or _shown(self.data.get(name))
        self.faults.append(self.document.fault((*self.path, name), told, expected))

    def whole(self, *names: str, default: Any = _REQUIRED, least: int = 1, most: int = LARGEST) -> int:
        """Return a whole number: the first of several names that has a value, or the default."""
        value = self._first(names, default)
        if value is _REQUIRED:
            return least
        if not _is_whole(value) or not least <= value <= most:
            self.fault(self._named(names), f"a whole number from {least} to {most:,}")
            return least
        return int(value)

    def maybe(self, *names: str, default: int | None = None, least: int = 1) -> int | None:
        """Return a whole number, or None where the field is null; the default where it is not there."""
        named = next((name for name in names if name in self.data), None)
        self._read.update(names)
        if named is None:
            return default
        return None if self.data[named] is None else self.whole(named, least=least)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a truth value."""
        value = self._first((name,), default)
        if not isinstance(value, bool):
            self.fault(name, "true or false")
            return default
        return value

    def activation(self, *names: str, default: str) -> str:
        """Return the function of an activation."""
        value = self._first(names, default)
        if not isinstance(value, str) or value not in _ELEMENTWISE:
            self.fault(self._named(names), f"an activation that is known: {', '.join(_ELEMENTWISE)}")
            return "gelu"
        return _ELEMENTWISE[value]

    def texts(self, name: str) -> list[str]:
        """Return a list of texts, empty where there is none."""
        value = self._first((name,), [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fault(name, "a list of texts")
            return []
        return value

    def wholes(self, name: str) -> list[int]:
        """Return a list of whole numbers, empty where there is none."""
        value = self._first((name,), [])
        if not isinstance(value, list) or not all(_is_whole(item) for item in value):
            self.fault(name, "a list of whole numbers")
            return []
        return [int(item) for item in value]

    def must(self, name: str, wanted: Any, why: str) -> None:
        """Note a fault where a field is there and is not the one value that is supported."""
        self._read.add(name)
        if name in self.data and self.data[name] not in (wanted, None):
            self.fault(name, f"{_json(wanted)}: {why}")

    def note(self, name: str, text: str) -> None:
        """Note what a field with a value means for the result, where it has one."""
        self._read.add(name)
        if self.data.get(name) not in (None, False, 0, [], {}):
            self.notes.append(f"{name}: {text}")

    def used(self, *names: str) -> None:
        """Take fields for read."""
        self._read.update(names)

    def unread(self) -> list[str]:
        """Return the fields that nobody read and that may matter, by name."""
        blank: tuple[Any, ...] = (None, False, [], {})
        return sorted(k for k, v in self.data.items() if k not in self._read and k not in _HARMLESS and v not in blank)

    def check(self) -> None:
        """Raise SpecError with every fault, if there is any."""
        if self.faults:
            raise SpecError(dict.fromkeys(self.faults))

    def _first(self, names: Sequence[str], default: Any) -> Any:
        self._read.update(names)
        named = self._named(names)
        if self.data.get(named) is not None:
            return self.data[named]
        if default is _REQUIRED:
            looked = f"; looked for {', '.join(names)}" if len(names) > 1 else ""
            near = next(iter(get_close_matches(names[0], list(self.data), n=1, cutoff=_NEAR)), "")
            fault = self.document.fault(
                (*self.path, names[0]), f"{names[0]!r} is missing", f"a value for it{looked}", near
            )  # fmt: skip
            self.faults.append(fault)
        return default

    def _named(self, names: Sequence[str]) -> str:
        """Return the first of the names that has a value, else the first."""
        return next((name for name in names if self.data.get(name) is not None), names[0])


def _is_whole(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _json(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, repr(value)) if isinstance(value, bool) else repr(value)
