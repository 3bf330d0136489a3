"""How each strategy, and each objective, is called and drawn, in every figure and table alike.

Colours are those of Okabe and Ito and of Tol, which colour-blind readers tell apart; markers and line
styles tell strategies apart in grey. A new strategy may have its line here, and needs none.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Look:
    """How one strategy looks in every figure."""

    label: str
    colour: str
    marker: str
    line: str = "-"

    def line_style(self) -> dict[str, Any]:
        return {"color": self.colour, "linestyle": self.line, "marker": self.marker}


LOOKS = {
    "full": Look("Full", "#000000", "o"),
    "linear": Look("Linear", "#888888", "s", ":"),
    "bitfit": Look("BitFit", "#E69F00", "D"),
    "lora": Look("LoRA", "#0072B2", "^"),
    "adapter": Look("Adapter", "#009E73", "v", "--"),
    "compacter": Look("Compacter", "#D55E00", "P", "-."),
    "ia3": Look("(IA)³", "#CC79A7", "x", "--"),
    "norm": Look("Norm", "#56B4E9", "<", "--"),
    "lp_ft": Look("LP-FT", "#7A4A1E", ">", "--"),
    "dora": Look("DoRA", "#332288", "p", "--"),
    "vpt": Look("VPT", "#999933", "h", "--"),
    "union": Look("Union", "#AA1133", "*", "--"),
}
# Where objectives are compared, colours mean them: standard fine-tuning in black, the rest far from each other.
OBJECTIVES = {
    "standard": Look("Standard", "#000000", "o"),
    "rft_fix": Look("RFT fix", "#D55E00", "s"),
    "rft_sched": Look("RFT sched", "#0072B2", "^"),
    "rft_warmup": Look("RFT warm-up", "#009E73", "v", "--"),
    "rft_switch": Look("RFT switch", "#882255", "X", ":"),
    "rft_uniform": Look("RFT uniform", "#E69F00", "D", "--"),
    "rft_auto": Look("RFT auto", "#CC79A7", "P", "--"),
    "trades": Look("TRADES", "#56B4E9", "<", "-."),
}
_OTHER_COLOURS = ("#44AA99", "#117733", "#6699CC", "#997700", "#661100", "#BB5566", "#225555")
_OTHER_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<", ">")


def look(family: str) -> Look:
    """Return a strategy's look; one that is not listed gets, from its name alone, always the same."""
    return LOOKS.get(family) or _other(family)


def method_look(method: str) -> Look:
    """Return the look of a method, an objective's family and what a sweep varies in it (`rft_sched t1 0.1`)."""
    family, _, setting = method.partition(" ")
    one = OBJECTIVES.get(family) or _other(family)
    return replace(one, label=f"{one.label} {setting}".strip())


def _other(family: str) -> Look:
    number = int.from_bytes(hashlib.sha256(family.encode()).digest()[:4], "big")
    colour = _OTHER_COLOURS[number % len(_OTHER_COLOURS)]
    marker = _OTHER_MARKERS[number // len(_OTHER_COLOURS) % len(_OTHER_MARKERS)]
    return Look(family, colour, marker, "-.")
