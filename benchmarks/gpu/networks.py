"""The networks of the sweep in plain PyTorch, with the layers of `specs/workloads`: no other package is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from .plan import NETWORKS, Network

CONTEXT: Final = 1024
"""Tokens of the cache of keys and values of a decoding step, the new one included."""


def conv_norm(
    inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1, *, act: type[nn.Module] | None
) -> nn.Module:
    """Return a convolution without bias, a batch norm and an activation."""
    conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside), *([act()] if act else []))


class Residual(nn.Module):
    """The block of a ResNet: a sum of two branches, then ReLU. The stride is at the 3 x 3 convolution."""

    def __init__(self, inside: int, width: int, stride: int, *, wide: int) -> None:
        super().__init__()
        outside = width * wide
        if wide == 1:
            parts = [conv_norm(inside, width, 3, stride, act=nn.ReLU), conv_norm(width, width, 3, act=None)]
        else:
            parts = [
                conv_norm(inside, width, 1, act=nn.ReLU),
                conv_norm(width, width, 3, stride, act=nn.ReLU),
                conv_norm(width, outside, 1, act=None),
            ]
        self.branch = nn.Sequential(*parts)
        plain = stride == 1 and inside == outside
        self.shortcut = nn.Identity() if plain else conv_norm(inside, outside, 1, stride, act=None)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the activated sum."""
        return functional.relu(self.branch(pixels) + self.shortcut(pixels))


def resnet(repeats: tuple[int, ...], wide: int) -> nn.Module:
    """Return a ResNet: basic blocks where `wide` is 1, else bottlenecks whose results are so many times wider."""
    layers: list[nn.Module] = [conv_norm(3, 64, 7, 2, act=nn.ReLU), nn.MaxPool2d(3, 2, 1)]
    inside = 64
    for stage, repeat in enumerate(repeats):
        for index in range(repeat):
            width = 64 * 2**stage
            layers.append(Residual(inside, width, 2 if stage and not index else 1, wide=wide))
            inside = width * wide
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, 1000))


class Inverted(nn.Module):
    """The block of MobileNet v2: widen, filter each channel, narrow; a sum where shapes allow one."""

    def __init__(self, inside: int, outside: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inside * expansion
        widen = [conv_norm(inside, width, 1, act=nn.ReLU6)] if expansion != 1 else []
        depthwise = conv_norm(width, width, 3, stride, width, act=nn.ReLU6)
        self.branch = nn.Sequential(*widen, depthwise, conv_norm(width, outside, 1, act=None))
        self.added = stride == 1 and inside == outside

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the narrow result."""
        return pixels + self.branch(pixels) if self.added else self.branch(pixels)


def mobilenet() -> nn.Module:
    """Return MobileNet v2 of width 1."""
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 2, 3), (6, 64, 2, 4), (6, 96, 1, 3), (6, 160, 2, 3), (6, 320, 1, 1))
    layers: list[nn.Module] = [conv_norm(3, 32, 3, 2, act=nn.ReLU6)]
    inside = 32
    for expansion, outside, stride, repeat in stages:
        for index in range(repeat):
            layers.append(Inverted(inside, outside, 1 if index else stride, expansion))
            inside = outside
    return nn.Sequential(
        *layers, conv_norm(inside, 1280, 1, act=nn.ReLU6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)
    )


class Attention(nn.Module):
    """Self-attention with one projection for query, key and value; with a cache, of the last of its tokens."""

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, tokens: Tensor, cache: Tensor | None = None) -> Tensor:
        """Return what the tokens attend to. `cache` has keys and values; those of the tokens take its last places."""
        batch, count, width = tokens.shape
        split = self.qkv(tokens).view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        if cache is not None:
            cache[0, :, :, -count:] = key
            cache[1, :, :, -count:] = value
            key, value = cache[0], cache[1]
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal and cache is None)
        return self.out(attended.transpose(1, 2).reshape(batch, count, width))


class Layer(nn.Module):
    """A layer of a transformer, its norms before the branches (`first`) or behind the sums."""

    def __init__(self, width: int, heads: int, *, first: bool, causal: bool = False, gelu: str = "none", eps: float) -> None:
        super().__init__()
        self.first = first
        self.attention = Attention(width, heads, causal=causal)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate=gelu), nn.Linear(4 * width, width))
        self.norms = nn.ModuleList([nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)])

    def forward(self, tokens: Tensor, cache: Tensor | None = None) -> Tensor:
        """Return attention and feed-forward network, each with its residual."""
        if self.first:
            tokens = tokens + self.attention(self.norms[0](tokens), cache)
            return tokens + self.feed(self.norms[1](tokens))
        tokens = self.norms[0](tokens + self.attention(tokens, cache))
        return self.norms[1](tokens + self.feed(tokens))


class Bert(nn.Module):
    """BERT with its pooler."""

    def __init__(self, layers: int, width: int, heads: int) -> None:
        super().__init__()
        self.words, self.positions, self.segments = (nn.Embedding(rows, width) for rows in (30522, 512, 2))
        self.norm = nn.LayerNorm(width, 1e-12)
        self.layers = nn.ModuleList(Layer(width, heads, first=False, eps=1e-12) for _ in range(layers))
        self.pooler = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the pooled first token."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        placed = self.words(tokens) + self.positions(places) + self.segments(torch.zeros_like(tokens))
        states = self.norm(placed)
        for layer in self.layers:
            states = layer(states)
        return torch.tanh(self.pooler(states[:, 0]))


class Gpt2(nn.Module):
    """GPT-2: logits of every token of a prompt, or of one token behind a cache."""

    def __init__(self, layers: int, width: int, heads: int) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.words, self.positions = nn.Embedding(50257, width), nn.Embedding(1024, width)
        self.layers = nn.ModuleList(
            Layer(width, heads, first=True, causal=True, gelu="tanh", eps=1e-5) for _ in range(layers)
        )  # fmt: skip
        self.norm = nn.LayerNorm(width, 1e-5)

    def forward(self, tokens: Tensor, cache: Tensor | None = None) -> Tensor:
        """Return logits. `cache` is keys and values of every layer, the places of `tokens` among them."""
        count = tokens.shape[1]
        before = 0 if cache is None else cache.shape[-2] - count
        states = self.words(tokens) + self.positions(torch.arange(before, before + count, device=tokens.device))
        for index, layer in enumerate(self.layers):
            states = layer(states, None if cache is None else cache[index])
        return functional.linear(self.norm(states), self.words.weight)


class Vit(nn.Module):
    """ViT-B/16 over images of 224 x 224."""

    def __init__(self, layers: int = 12, width: int = 768, heads: int = 12) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.zeros(1, 197, width))
        self.layers = nn.Sequential(*(Layer(width, heads, first=True, eps=1e-6) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width, 1e-6), nn.Linear(width, 1000)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits."""
        patches = self.patches(pixels).flatten(2).transpose(1, 2)
        states = torch.cat([self.first.expand(patches.shape[0], -1, -1), patches], dim=1) + self.places
        return self.head(self.norm(self.layers(states))[:, 0])


MAKERS: Final[Mapping[str, Callable[[], nn.Module]]] = {
    "resnet18": lambda: resnet((2, 2, 2, 2), 1),
    "resnet50": lambda: resnet((3, 4, 6, 3), 4),
    "mobilenet-v2": mobilenet,
    "vit-b-16": Vit,
    "bert-base": lambda: Bert(12, 768, 12),
    "bert-large": lambda: Bert(24, 1024, 16),
    "gpt2": lambda: Gpt2(12, 768, 12),
    "gpt2-xl": lambda: Gpt2(48, 1600, 25),
}
CONVOLUTIONAL: Final = frozenset({"resnet18", "resnet50", "mobilenet-v2"})


class CountError(ValueError):
    """A network has not the parameters of its workload."""


def parameters(module: nn.Module) -> int:
    """Return how many parameters a network has."""
    return sum(one.numel() for one in module.parameters())


def make(about: Network, device: str) -> nn.Module:
    """Return a network in fp32, with random weights under which results neither vanish nor overflow. Raises CountError."""
    with torch.device(device):
        module = MAKERS[about.workload]().eval().requires_grad_(requires_grad=False)
    if parameters(module) != about.parameters:
        raise CountError(f"{about.workload} has {parameters(module):,} parameters, its workload {about.parameters:,}")
    if device != "meta":
        fill(module, device)
    return module


def fill(module: nn.Module, device: str) -> None:
    """Fill a network with random numbers from a fixed seed: none is 0, and powers of the data stay near 1."""
    chance = torch.Generator(device).manual_seed(0)
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight")):
            tensor.uniform_(0.5, 1.5, generator=chance)
        elif tensor.dim() == 1:
            tensor.normal_(0.0, 0.1, generator=chance)
        elif tensor.dim() == 4:  # noqa: PLR2004 - a convolution
            tensor.normal_(0.0, (2.0 / tensor[0].numel()) ** 0.5, generator=chance)
        else:
            tensor.normal_(0.0, tensor.shape[-1] ** -0.5, generator=chance)


def inputs(about: Network, batch: int, device: str, dtype: Any = torch.float32) -> tuple[Tensor, ...]:
    """Return random operands of a pass, never zeros: pixels, or tokens, and a cache where there is a context."""
    chance = None if device == "meta" else torch.Generator(device).manual_seed(batch)
    if "image" in about.sizes:
        side = about.sizes["image"]
        return (torch.randn(batch, 3, side, side, device=device, dtype=dtype, generator=chance),)
    tokens = torch.randint(1, 30000, (batch, about.sizes["seq_len"]), device=device, generator=chance)
    if "context" not in about.sizes:
        return (tokens,)
    layers, width, heads = {"gpt2": (12, 768, 12), "gpt2-xl": (48, 1600, 25)}[about.workload]
    shape = (layers, 2, batch, heads, CONTEXT, width // heads)
    return tokens, torch.randn(shape, device=device, dtype=dtype, generator=chance)


def cast(operands: tuple[Tensor, ...], dtype: Any, *, channels_last: bool = False) -> tuple[Tensor, ...]:
    """Return operands in another number format; tokens stay whole."""
    made = (one.to(dtype) if one.is_floating_point() else one for one in operands)
    return tuple(one.contiguous(memory_format=torch.channels_last) if channels_last else one for one in made)


def counts() -> list[tuple[str, int, int, float, float]]:
    """Return name, parameters and those expected, arithmetic by PyTorch and by the catalogue [FLOP], without memory."""
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415 - only this check needs it

    found = []
    for name, about in NETWORKS.items():
        module = make(about, "meta")
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(*inputs(about, 1, "meta"))
        found.append((name, parameters(module), about.parameters, float(counter.get_total_flops()), about.work))
    return found
