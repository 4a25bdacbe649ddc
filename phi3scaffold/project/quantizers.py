"""The quantizers: their names and traits. One is a row of `QUANTIZERS`; the passes are Olive's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantizer:
    """One way to round the merged weights.

    Attributes:
        name: as `--quantizer` has it; the type of its pass in small letters.
        olive_type: the type of its pass.
        reads_rows: whether it needs rows to look at.
        embeds: whether it rounds embeddings, too.
        pass_class: the class that runs in place of Olive's own; "" where Olive's runs.
    """

    name: str
    olive_type: str
    reads_rows: bool = False
    embeds: bool = True
    pass_class: str = ""


QUANTIZERS = (
    Quantizer("rtn", "Rtn"),
    Quantizer("kquant", "KQuant", pass_class="phi3scaffold.conversion.kquant.KQuant"),
    Quantizer("gptq", "Gptq", reads_rows=True, embeds=False),
)


def quantizer_of(pass_type: object) -> Quantizer | None:
    """Return the quantizer of a pass's type, whatever its letters' case; None for another pass."""
    name = str(pass_type).lower()
    return next((one for one in QUANTIZERS if one.name == name), None)
