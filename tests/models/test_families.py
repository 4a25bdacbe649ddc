"""What families say of themselves, and how names of one become another's."""

from __future__ import annotations

import pytest

from phi3scaffold.models.families.family import LAYERS, Family
from phi3scaffold.models.families.llama import LLAMA
from phi3scaffold.models.families.phi3 import PHI3
from phi3scaffold.models.families.registry import FAMILIES, family_of


def test_each_family_is_found_by_its_architecture_alone() -> None:
    names = [family.architecture for family in FAMILIES]
    assert len(set(names)) == len(names)
    assert [family_of([name]) for name in names] == list(FAMILIES)
    assert family_of(["BertModel"]) is None


@pytest.mark.parametrize(
    ("family", "name", "own"),
    [
        (PHI3, "q_proj", ["qkv_proj"]),
        (PHI3, "up_proj", ["gate_up_proj"]),
        (PHI3, "Wqkv", ["qkv_proj"]),
        (PHI3, "dense", ["o_proj"]),
        (PHI3, "fc1", ["gate_up_proj"]),
        (PHI3, "c_attn", ["c_attn"]),
        (LLAMA, "qkv_proj", ["q_proj", "k_proj", "v_proj"]),
        (LLAMA, "query_key_value", ["q_proj", "k_proj", "v_proj"]),
        (LLAMA, "gate_up_proj", ["gate_proj", "up_proj"]),
        (LLAMA, "fc2", ["down_proj"]),
        (LLAMA, "k_proj", ["k_proj"]),
    ],
)
def test_names_of_another_family(family: Family, name: str, own: list[str]) -> None:
    assert list(family.own_modules(name)) == own


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_all_modules_of_another_family_are_all_of_this_one(family: Family) -> None:
    for names in (LAYERS, PHI3.target_modules):
        own = dict.fromkeys(module for name in names for module in family.own_modules(name))
        assert tuple(own) == family.target_modules
