"""Params: reading, checking, and what they mean. Nothing here imports torch."""

from tradeoff.params.epsilon import format_epsilon, parse_epsilon
from tradeoff.params.load import Params, check_params, load_params

__all__ = ["Params", "check_params", "format_epsilon", "load_params", "parse_epsilon"]
