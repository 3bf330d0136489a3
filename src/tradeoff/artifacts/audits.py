"""What to say beside numbers that an attack with shortcuts found."""

from tradeoff.artifacts.results import Results


def audit_note(results: Results) -> str:
    """Return a sentence for each probe that took shortcuts, with a space before it; nothing when none did."""
    attacked = results.probes[results.probes["epsilon"] > 0].dropna(subset=["audited", "disagreed"])
    notes = []
    for probe, rows in attacked.groupby("probe", sort=False):
        audited, disagreed = int(rows["audited"].sum()), int(rows["disagreed"].sum())
        share = f" ({disagreed / audited:.2%})" if audited else ""
        notes.append(
            f" The probe {probe} took shortcuts: the exact attack judged {disagreed:,} of {audited:,} audited"
            f" verdicts otherwise{share}."
        )
    return "".join(notes)
