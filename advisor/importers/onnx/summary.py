"""What an import tells beside the spec: as text for the terminal, or as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

from engine.units import render, significant

from .importer import Imported, recognised_text


def as_text(found: Imported) -> str:
    """Return the facts of an import, a line each."""
    network, kinds = found.network, Counter(str(getattr(node.operator, "op")) for node in found.network.nodes)  # noqa: B009
    lines = [
        f"{found.file}: {render(float(found.size), 'size')}, written by {found.producer}, opset {found.opset}; "  # noqa: ISC004
        f"batch {found.batch}",
        f"{found.nodes:,} nodes became {len(network.nodes):,} operators, {len(network.kernels):,} kernels: "
        + ", ".join(f"{count} {op}" for op, count in kinds.most_common()),
        f"{significant(network.work / 2e9, 6)} GMAC per sample, {network.parameters:,.0f} parameters"
        + _sizes("at", found.open),
    ]
    told = recognised_text(found.recognised)
    lines += [f"recognised: {told}"] if told else ["recognised: nothing beyond single nodes"]
    lines += [f"fixed by the request:{_sizes('', found.fixed)}"] if found.fixed else []
    lines += [f"open: {', '.join(found.open)}; the defaults are ours, --size NAME=N fixes one"] if found.open else []
    lines += [f"assumed to be elementwise: {kind}, {count} nodes" for kind, count in found.accepted.items()]
    lines += [f"taken to be causal: the masks of {found.causal} attentions, which differ by query"] if found.causal else []
    lines += [f"not read by what reaches an output: {found.unread:,} stored elements"] if found.unread else []
    return "\n".join(lines) + "\n"


def _sizes(word: str, sizes: Any) -> str:
    return f" {word} ".replace("  ", " ") + ", ".join(f"{name} = {value}" for name, value in sizes.items()) if sizes else ""


def as_json(found: Imported) -> dict[str, Any]:
    """Return the facts of an import by name; counts are for one sample at the default sizes."""
    network = found.network
    return {
        "id": found.workload.id, "file": found.file, "bytes": found.size, "producer": found.producer, "opset": found.opset,
        "batch": found.batch, "nodes": found.nodes, "operators": len(network.nodes), "kernels": len(network.kernels),
        "macs_per_sample": network.work / 2, "parameters": network.parameters, "recognised": dict(found.recognised),
        "fixed_sizes": dict(found.fixed), "open_sizes": dict(found.open), "assumed_elementwise": dict(found.accepted),
        "causal_attentions": found.causal, "unread_weights": found.unread,
    }  # fmt: skip
