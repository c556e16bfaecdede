"""What a network adds up to: all that its time, energy and memory are computed from, as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import _compiled as forms
from .cost import Cost

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Totals:
    """A workload at given sizes. Counts are per sample unless they are weights."""

    id: str
    name: str
    sizes: Mapping[str, int]
    not_modelled: tuple[str, ...]
    unique_kernels: tuple[tuple[Cost, int], ...]
    """each different cost once, with how many kernels have it"""
    unique_unfused: tuple[tuple[Cost, int], ...]
    """the same for the kernels of a framework that launches operator by operator"""
    unique_eager: tuple[tuple[Cost, int], ...]
    """the same for one whose attention is a single kernel"""
    unique_library: tuple[tuple[Cost, int], ...]
    """the same for the kernels of a library that folds little and runs the rest one by one, with their parts"""
    launches: int
    """how many operators a framework launches for one pass"""
    work: float
    """W of one sample [FLOP]"""
    work_min: float
    """the least arithmetic that any algorithm needs for the output of one sample [FLOP]"""
    parameters: float
    """the stored elements, as papers count them"""
    active_parameters: float
    """the stored elements that one token asks for: of experts, those that it chooses"""
    least_weights: float
    """the weight elements that the output depends on; every pass must read them"""
    cache_elements: float
    """the elements of the cache of keys and values that one sample holds after the pass"""
    cache_elements_per_token: float
    """the elements that one more token adds to that cache, while no window is full"""
    cache_reads: float
    """the elements that earlier passes left in that cache and this one reads, for one sample"""
    least_cache: float
    """the elements among them that the output depends on"""
    tables: tuple[Cost, ...]
    """the tables of which only looked-up rows travel, with the look-ups that the output depends on"""
    input_elements: float
    output_elements: float
    peak_activation_elements: float
    """the largest sum of live activations"""
    input_needs: float
    """the elements of the input that the output depends on"""

    @property
    def weights(self) -> float:
        """Return the weight elements that passes read, those of all experts among them; embedding tables are not."""
        return sum(count * cost.weights for cost, count in self.unique_kernels)

    def read_weights(self, batch: npt.ArrayLike) -> Array:
        """Return the weight elements that a pass over `batch` samples is expected to read: of experts, those it touches."""
        samples = np.asarray(batch, dtype=float)
        routed = [(cost, count) for cost, count in self.unique_kernels if cost.routed < 1]
        dense = self.weights - sum(count * cost.weights for cost, count in routed)
        read = dense * np.ones_like(samples)
        for cost, count in routed:
            share = forms.experts_read(batch=samples, routed=cost.routed, tokens=cost.tokens)
            read += count * cost.weights * share
        return read

    def compulsory_elements(self, batch: npt.ArrayLike) -> Array:
        """Return the elements that a pass over `batch` samples has to move: weights, the cache before it, input and output."""
        each = self.input_elements + self.output_elements + self.cache_reads
        return self.read_weights(batch) + each * np.asarray(batch, dtype=float)

    def least_elements(self, batch: npt.ArrayLike) -> Array:
        """Return the elements that a pass over `batch` samples must touch.

        Weights, min(rows, tokens) of tables, the cache of earlier tokens, input and output.
        """
        samples = np.asarray(batch, dtype=float)
        each = self.input_needs + self.output_elements + self.least_cache
        touched = self.least_weights + each * samples
        for table in self.tables:
            touched = touched + np.minimum(table.table_rows, samples * table.lookups) * table.table_width
        return touched


def ridge_batch(network: Totals, *, peak: Array, bandwidth: Array, element_bytes: Array) -> Array:
    """Return the batch at which the network's arithmetic takes as long as its traffic on plain roofs; infinity where none.

    Every byte is from memory, and large batches touch all experts; NaN where a figure of the chip is unknown.
    """
    kernels = network.unique_kernels
    once, each = (sum(count * part for (_, count), part in zip(kernels, parts, strict=True)) for parts in (
        [cost.weights for cost, _ in kernels], [cost.inputs + cost.outputs for cost, _ in kernels]))  # fmt: skip
    with np.errstate(all="ignore"):
        found = forms.ridge_batch(
            bandwidth=bandwidth, peak=peak, traffic_each=each * element_bytes, traffic_once=once * element_bytes,
            work_each=network.work,
        )  # fmt: skip
        turns = network.work > each * element_bytes * peak / bandwidth
    return np.where(np.isnan(peak / bandwidth), np.nan, np.where(turns, found, np.inf))
