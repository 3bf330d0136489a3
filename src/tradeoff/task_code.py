"""Which code measures a task's complexity: the fingerprint that the rule passes on and that results must carry."""

from tradeoff.fingerprint import fingerprint


def task_code() -> str:
    """Return the fingerprint of what measures tasks."""
    return fingerprint("workflow_scripts.measure_task")
