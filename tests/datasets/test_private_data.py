"""What counts as a likely secret or as personal data, and what does not.

Keys are put together here, so that no scanner takes this file for a leak.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from phi3scaffold.datasets import private_data
from phi3scaffold.datasets.private_data import find
from phi3scaffold.generator import template

AB = "aB3dE5gH7jK9mN1pQ2sT4vW6"
HEX = "0123456789abcdef"
FOUND = [
    ("AKIA" + "IOSFODNN7EXAMPLE", "access key (AWS)"),
    ("key: ASIA" + "Y34FZKBOKMUTVV7A.", "access key (AWS)"),
    (
        "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzz1234Zq",
        private_data.PASSWORD,
    ),
    ("AccountName=a;AccountKey=" + "x1Y/" * 21 + "zz==;Endpoint", "access key (Azure)"),
    ("Endpoint=sb://a/;SharedAccessKey=" + "x1Y/" * 10 + "abc=", "access key (Azure)"),
    ("https://a.blob.core.windows.net/b?sv=1&sig=" + AB * 2, "access key (Azure)"),
    ("secret abc8" + "Q~" + "aB3~" * 8, "access key (Azure)"),
    ("dapi" + HEX * 2, "access key (Databricks)"),
    ("token ghp_" + "a1B2" * 9, "access key (GitHub)"),
    ("github_pat_" + "11AAAAAAA0" * 8, "access key (GitHub)"),
    ("glpat-" + AB[:20], "access key (GitLab)"),
    ("AIza" + "SyA1-_" * 5 + "abcde", "access key (Google)"),
    ("GOCSPX-" + AB + "-_ab", "access key (Google)"),
    ("HF_TOKEN=hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH", "access key (Hugging Face)"),
    ("npm_" + "a1B2" * 9, "access key (npm)"),
    ("use sk-" + AB * 2 + ".", "access key (OpenAI)"),
    ("sk-proj-" + AB * 3, "access key (OpenAI)"),
    ("sk-ant-api03-" + AB * 4, "access key (Anthropic)"),
    ("pypi-AgE" + "IcHlwaS5vcmc" * 6, "access key (PyPI)"),
    ("SG." + AB[:22] + "." + (AB * 2)[:43], "access key (SendGrid)"),
    ("xoxb-" + "123456789012-" + AB, "access key (Slack)"),
    ("https://hooks.slack.com/services/T" + "0AB12CD3/B0AB12CD3/" + AB, "access key (Slack)"),
    ("sk_live_" + AB, "access key (Stripe)"),
    ("Bearer eyJ" + "hbGciOiJI.eyJ" + "zdWIiOiIx." + AB, "web token (JWT)"),
    ("-----BEGIN RSA PRIVATE " + "KEY-----\nMIIE", "private key"),
    ("-----BEGIN " + "PRIVATE KEY-----", "private key"),
    ("password=hunter2!", private_data.PASSWORD),
    ('{"password": "tr0ub4dor&3"}', private_data.PASSWORD),
    ("API_KEY: 8f3a9c2b7d", private_data.PASSWORD),
    ("postgres://app:s3same@db:5432/x", private_data.PASSWORD),
    ("Write to jane.doe@example.com.", private_data.EMAIL),
    ("<o'neil+news@mail.co.uk>", private_data.EMAIL),
    ("Call +49 151 23456789", private_data.PHONE),
    ("(212) 555-0123", private_data.PHONE),
    ("or 800-555-1212, please", private_data.PHONE),
    ("my mobile number is 0151 2345678", private_data.PHONE),
    ("Tel.: 020 7946 0958", private_data.PHONE),
    ("4111 1111 1111 1111", private_data.CARD),
    ("card 5500-0055-5555-5559.", private_data.CARD),
    ("amex 378282246310005", private_data.CARD),
    ("DE89 3704 0044 0532 0130 00", private_data.IBAN),
    ("pay to GB29NWBK60161331926819 NOW", private_data.IBAN),
    ("NL91 ABNA 0417 1643 00 SOON PLEASE", private_data.IBAN),
    ("from 85.214.132.117:443", private_data.IP),
    ("SSN: 536-90-4399", private_data.NATIONAL),
    ("390.533.447-05", private_data.NATIONAL),
    ("131052-308T", private_data.NATIONAL),
    ("2 95 10 99 126 111 93", private_data.NATIONAL),
    ("360426199101010071", private_data.NATIONAL),
    ("880320-0016", private_data.NATIONAL),
]
NOTHING = [
    "",
    "The quick brown fox: it jumped over 12 dogs, 3 cats and 1,250,000 ants.",
    "AKIA is a prefix; so are hf_, sk- and ghp_.",
    "sk-learn-is-a-long-name-with-many-words-in-it",
    "class sk-circle-fade-dot-animation-delay-long-name",
    "hf_hub_download(repo_id, filename) and hf_transformers_pipeline",
    "commit 28d1624f0e9b4c7a8d6e5f4a3b2c1d0e9f8a7b6c",
    "id 550e8400-e29b-41d4-a716-446655440000",
    "password = getpass.getpass()",
    "password=<your password>, token: ${TOKEN1}, api_key='YOUR_API_KEY1'",
    "Forgot your password? The new password: please choose a long one.",
    "password: ********1",
    "The secret: butter. The key: patience.",
    "@mention, me@home, a@b and hello@shop.example",
    "git@github.com:org/name.git",
    "version 10.0.19041.1 and 1.2.3.4, 127.0.0.1, 192.168.100.200 and 8.8.8.8",
    "555-0142",
    "2024-01-02 10:11:12, 1999-2004, 2005-2010, 01/02/2003 04:05",
    "ISBN 978-3-16-148410-0, order 2125550123, ticket 20240102-0017",
    "pi is 3.14159265358979, e is 2.718281828459045",
    "4111 1111 1111 1112 fails Luhn, and so does 1234567812345678",
    "DE88 3704 0044 0532 0130 00 has wrong check digits",
    "000-12-3456 and 390.533.447-06 and 131052-308U",
    "12.345.678.901 bytes",
    "1" * 400,
]


@pytest.mark.parametrize(("text", "kind"), FOUND)
def test_what_is_found(text: str, kind: str) -> None:
    assert find(f"Please look: {text} and so on") == {kind}


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_not(text: str) -> None:
    assert find(text) == set()


def test_several_kinds_in_one_text() -> None:
    text = "Mail a.b@c.de, call +44 20 7946 0958, pay DE89 3704 0044 0532 0130 00"
    assert find(text) == {private_data.EMAIL, private_data.PHONE, private_data.IBAN}


def sample_texts() -> list[str]:
    """Every row that a project gets without data of its own."""
    files = sorted(Path(template.folder() / "samples").rglob("*.jsonl"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [" ".join(map(str, json.loads(line).values())) for line in lines]


def test_the_sample_rows_raise_no_alarm() -> None:
    texts = sample_texts()
    assert len(texts) > 1000
    assert [text for text in texts if find(text)] == []


def test_a_text_without_any_costs_next_to_nothing() -> None:
    """40 microseconds for 300 characters are the budget: ten times that is no busy machine."""
    joined = " ".join(sample_texts())
    texts = [joined[at : at + 300] for at in range(0, len(joined) - 300, 300)]
    begun = time.perf_counter()
    for text in texts:
        find(text)
    assert (time.perf_counter() - begun) / len(texts) < 400e-6


def test_no_text_makes_it_slow() -> None:
    pieces = (
        "a",
        "1",
        "1-",
        "12 ",
        "a@",
        "a.",
        "password=",
        "sk-",
        "eyJ-",
        "eyJ.",
        "://a:",
        "sig=",
    )
    for piece in (
        *pieces,
        "DE89 ",
        "AB12",
        "+1 ",
        "1.1",
        "212-555-0123 ",
        "-----BEGIN A ",
        "tel 1 ",
    ):
        text = piece * (100_000 // len(piece))
        begun = time.perf_counter()
        find(text)
        assert time.perf_counter() - begun < 1, piece
