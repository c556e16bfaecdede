"""Roofwise's engine: specs in, closed forms and numbers out. It never prints and knows no rules."""

from .catalog import Catalog, load
from .errors import RoofwiseError, SpecError
from .network import Network, build
from .predict import predict

__all__ = ["Catalog", "Network", "RoofwiseError", "SpecError", "build", "load", "predict"]
__version__ = "0.1.0"
