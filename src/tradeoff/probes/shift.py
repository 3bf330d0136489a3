"""Domain shift: clean accuracy on the run's own test set, and on other domains or datasets of its classes."""

from typing import Any

from tradeoff.probes.clean import evaluate

__all__ = ["evaluate", "schema"]


def schema() -> dict[str, Any]:
    references = {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}
    return {
        "type": "object",
        "description": "accuracy on other domains, or on other datasets of the same classes",
        "properties": {
            "kind": {"const": "shift"},
            "test_sets": {
                "type": "object",
                "description": "for datasets without domains: the datasets to test on, by the one trained on",
                "additionalProperties": references,
            },
        },
        "required": ["kind"],
        "additionalProperties": False,
    }
