"""Which code makes a backbone: the fingerprint that rules pass on and that results must carry."""

from tradeoff.fingerprint import fingerprint


def backbone_code(pretrained: bool) -> str:
    """Return the fingerprint of what pre-trains a backbone here, or fetches one."""
    if not pretrained:
        return fingerprint("workflow_scripts.fetch_backbone")
    named = ("tradeoff.strategies.full", "tradeoff.objectives.standard")
    return fingerprint("workflow_scripts.pretrain_backbone", *named)
