"""The licences of base models: where their terms stand, and what they ask of a model made from one.

What is said here is no legal advice; the terms themselves decide.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Licence:
    """A licence of weights.

    Attributes:
        id: as the hub's metadata call it; "" where it is not known.
        title: the name that people use.
        url: where its terms stand.
        notice: what a model that was made from such weights has to say, where it is passed on.
        duties: what else its terms ask then, as a sentence.
    """

    id: str
    title: str
    url: str = ""
    notice: str = ""
    duties: str = ""


MIT = Licence("mit", "MIT")
APACHE = Licence("apache-2.0", "Apache-2.0")
LLAMA_32 = Licence(
    "llama3.2",
    "Llama 3.2",
    "https://www.llama.com/llama3_2/license/",
    "Built with Llama. Llama 3.2 is licensed under the Llama 3.2 Community License, Copyright "
    "© Meta Platforms, Inc. All Rights Reserved.",
    "A model made from it must have a name that begins with Llama and come with a copy of the "
    "licence, and Meta's Acceptable Use Policy applies.",
)
GEMMA = Licence(
    "gemma",
    "Gemma",
    "https://ai.google.dev/gemma/terms",
    "Gemma is provided under and subject to the Gemma Terms of Use found at "
    "ai.google.dev/gemma/terms.",
    "A model made from it must come with a copy of the terms, and Google's Prohibited Use Policy "
    "applies to its users, too.",
)
UNKNOWN = Licence("", "unknown")
