"""Asking a model behind an OpenAI-compatible endpoint."""

from scope_edge.endpoint.client import Endpoint
from scope_edge.endpoint.reply import Answer, Failure
from scope_edge.endpoint.timing import Patience

__all__ = ["Answer", "Endpoint", "Failure", "Patience"]
