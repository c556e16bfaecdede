"""Roofwise's engine: specs in, closed forms and numbers out. It never prints and knows no rules.

What is named here is imported when it is asked for, so that whoever needs little of the engine imports little.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .catalog import Catalog, load
    from .errors import RoofwiseError, SpecError
    from .network import Network, build
    from .rows import predict

__all__ = ["Catalog", "Network", "RoofwiseError", "SpecError", "build", "load", "predict"]
__version__ = "0.1.0"
_HOMES = {
    "Catalog": "catalog",
    "Network": "network",
    "RoofwiseError": "errors",
    "SpecError": "errors",
    "build": "network",
    "load": "catalog",
    "predict": "rows",
}


def __getattr__(name: str) -> Any:
    """Return one of the names above."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
