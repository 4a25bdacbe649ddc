"""Likely secrets and personal data in a text: which kinds stand in it, never what was found.

Every row is looked at, so a text without any must cost next to nothing: a pattern is tried only
where one of its hints, a fixed piece of text, stands; what is made of digits only where there are
seven of them in a row. Numbers are believed only where their own rules bear them out: check
digits, lengths by country, numbering plans.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

PASSWORD = "password or other secret"
EMAIL = "email address"
PHONE = "phone number"
CARD = "card number"
IBAN = "bank account (IBAN)"
NATIONAL = "national id number"
IP = "IP address"


def find(text: str) -> set[str]:
    """Return the kinds of secrets and personal data in `text`, such as ``{"email address"}``."""
    found = find_secrets(text)
    if "@" in text and _EMAIL.matches(text):
        found.add(EMAIL)
    if DIGITS.search(text):
        found.update(_numbers(text))
    return found


def find_secrets(text: str) -> set[str]:
    """Return the kinds that open something: keys, tokens, passwords; nothing personal."""
    found = {rule.kind for hint, rule in HINTS if hint in text and rule.matches(text)}
    # what has a name of its own is not told a second time as `token=...`
    if (":" in text or "=" in text) and not found and _has_assignment(text):
        found.add(PASSWORD)
    return found


def _has_assignment(text: str) -> bool:
    lower = text.lower()
    return any(word in lower for word in ASSIGNED_HINTS) and any(
        map(_is_secret, ASSIGNED.finditer(text))
    )


def _is_secret(match: re.Match[str]) -> bool:
    """Return whether what stands behind ``password=`` looks like one, and not like a word."""
    value = match[1]
    return (
        any(c.isdigit() for c in value)
        and any(c.isalpha() for c in value)
        and not PLACEHOLDER.search(value)
    )


class PrivateDataRule(NamedTuple):
    """A kind, what it looks like, and what a match must fulfil besides."""

    kind: str
    pattern: re.Pattern[str]
    check: Callable[[re.Match[str]], bool] = bool  # a match is true

    def matches(self, text: str) -> bool:
        return any(map(self.check, self.pattern.finditer(text)))


def _key(maker: str, pattern: str, *hints: str) -> list[tuple[str, PrivateDataRule]]:
    """Build the rule for a key that its maker marks with fixed pieces, the `hints`."""
    rule = PrivateDataRule(f"access key ({maker})", re.compile(pattern))
    return [(hint, rule) for hint in hints]


RESERVED = ("example", "test", "invalid", "localhost")  # top-level names that are nobody's
NOBODY = ("git", "noreply", "no-reply")
PLACEHOLDER = re.compile(r"(?i)x{4}|\*{3}|\.{3}|[<>{}()\[\]$%]|your|example|change|placeholder")
_EMAIL = PrivateDataRule(
    EMAIL,
    re.compile(r"(?<![\w.+-])\w[\w.+-]{0,63}@(?:[\w-]{1,63}\.){1,5}([A-Za-z]{2,24})\b"),
    lambda match: match[1] not in RESERVED and match[0].partition("@")[0] not in NOBODY,
)
_IN_URL = PrivateDataRule(
    PASSWORD,
    re.compile(r"[a-z]://[^\s/:@]{1,64}:([^\s/@]{3,64})@"),
    lambda match: not PLACEHOLDER.search(match[1]),
)
_JWT = PrivateDataRule(
    "web token (JWT)", re.compile(r"(?<![\w-])eyJ[\w-]{8,2000}\.eyJ[\w-]{8,4000}\.[\w-]{16}")
)
_PRIVATE_KEY = PrivateDataRule(
    "private key", re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?---")
)
HINTS: tuple[tuple[str, PrivateDataRule], ...] = (
    ("://", _IN_URL),
    *_key("Anthropic", r"\bsk-ant-[\w-]{32}", "sk-ant-"),
    *_key("AWS", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", "AKIA", "ASIA"),
    *_key("Azure", r"\bAccountKey=[\w+/]{86}==", "AccountKey="),
    *_key("Azure", r"\bSharedAccessKey=[\w+/]{43}=", "SharedAccessKey="),
    *_key("Azure", r"[?&]sig=(?:[\w%-]|\+|/){43}", "sig="),
    *_key("Azure", r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,34}(?![\w~.-])", "Q~"),
    *_key("Databricks", r"\bdapi[0-9a-f]{32}\b", "dapi"),
    *_key("GitHub", r"\bgh[oprsu]_[0-9A-Za-z]{36}", "ghp_", "gho_", "ghs_", "ghu_", "ghr_"),
    *_key("GitHub", r"\bgithub_pat_\w{60}", "github_pat_"),
    *_key("GitLab", r"\bglpat-[\w-]{20}", "glpat-"),
    *_key("Google", r"\bAIza[\w-]{35}(?![\w-])", "AIza"),
    *_key("Google", r"\bGOCSPX-[\w-]{28}", "GOCSPX-"),
    *_key("Hugging Face", r"\b(?:hf|api_org)_[A-Za-z]{34}\b", "hf_", "api_org_"),
    *_key("npm", r"\bnpm_[0-9A-Za-z]{36}\b", "npm_"),
    *_key("OpenAI", r"\bsk-(?:(?:proj|svcacct|admin)-[\w-]{40}|(?=[A-Za-z]{0,31}\d)\w{32})", "sk-"),
    *_key("PyPI", r"\bpypi-AgE[\w-]{50}", "pypi-AgE"),
    *_key("SendGrid", r"\bSG\.[\w-]{22}\.[\w-]{43}", "SG."),
    *_key("Slack", r"\bxox[abeoprs]-\d[\w-]{10}", "xox"),
    *_key("Slack", r"hooks\.slack\.com/services/T\w{6,20}/B\w{6,20}/\w{20}", "hooks.slack.com"),
    *_key("Stripe", r"\b[rs]k_live_[0-9A-Za-z]{20}", "k_live_"),
    ("eyJ", _JWT),
    ("-----BEGIN", _PRIVATE_KEY),
)
# password = "...", api_key: ..., client-secret=...; what stands behind is looked at by _is_secret
ASSIGNED_HINTS = ("passw", "passphrase", "secret", "token", "key")
ASSIGNED = re.compile(
    r"(?i)(?:passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?key|token)[\"']?"
    r"\s{0,2}(?::|={1,2}|:=)\s{0,2}[\"']?([^\s\"',;&]{6,256})"
)

DIGITS = re.compile(r"\d(?:[ ()./-]{0,2}\d){6,}")
CARDS = re.compile(
    r"(?<![\w.-])(?:\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}|3\d{3}([ -]?)\d{6}\2\d{4,5})(?![\w-])"
)
ISSUERS = re.compile(r"4|5[1-5]|2[2-7]|3[0-8]|6")
IBANS = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?\b")
IPS = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")
LABELLED = re.compile(
    r"(?i)\b(?:tel|phone|telephone|mobile|cell|fax|whatsapp)\b\W{0,3}(?:(?:number|no|is)\b\W{0,3}){0,2}"
    r"([+(]?\d(?:[ ()./-]{0,2}\d){6,14})(?![\w-])"
)
SSN = re.compile(r"(?i)\b(?:ssn|social security)\b\D{0,20}(\d{3}-?\d{2}-?\d{4})\b")
# shape -> the module of stdnum that knows the check digits; only what two of them or a date in it
# make sure: a single check digit lets one in ten numbers through
NATIONALS = (
    (re.compile(r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b"), "br.cpf"),
    (re.compile(r"\b[1-9]\d{5}(?:19|20)\d{9}[\dX]\b"), "cn.ric"),
    (re.compile(r"\b\d{6}[-+A-F]\d{3}[0-9A-Y]\b"), "fi.hetu"),
    (re.compile(r"\b[12] ?\d\d ?[01]\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d\b"), "fr.nir"),
    (re.compile(r"\b\d{6}[-+]\d{4}\b"), "se.personnummer"),
)


def _numbers(text: str) -> Iterator[str]:
    """Yield the kinds of numbers in a text that holds seven digits in a row."""
    if any(map(_is_card, CARDS.finditer(text))):
        yield CARD
    elif _has_phone(text):
        yield PHONE
    if any(map(_is_iban, IBANS.finditer(text))):
        yield IBAN
    if any(map(_is_public, IPS.finditer(text))):
        yield IP
    if _has_national(text):
        yield NATIONAL


def _is_card(match: re.Match[str]) -> bool:
    from stdnum import luhn

    return bool(ISSUERS.match(match[0])) and luhn.is_valid(re.sub("[ -]", "", match[0]))


def _is_iban(match: re.Match[str]) -> bool:
    """Return whether an IBAN begins here; words in capitals behind it look like more of it."""
    from stdnum import iban

    groups = match[0].split(" ")
    return any(iban.is_valid("".join(groups[:end])) for end in range(len(groups), 0, -1))


def _is_public(match: re.Match[str]) -> bool:
    """Seven digits or more: 1.2.3.4 and 8.8.8.8 are versions, sections and name servers."""
    try:
        return len(match[0]) >= 10 and ipaddress.ip_address(match[0]).is_global
    except ValueError:
        return False


def _has_phone(text: str) -> bool:
    """Return whether there is a phone number: with a country code, in US groups, or called one."""
    from phonenumbers import Leniency, PhoneNumberMatcher

    if any(True for _ in LABELLED.finditer(text)):
        return True
    matches = PhoneNumberMatcher(text, "US", Leniency.EXACT_GROUPING, max_tries=1000)
    return any(not match.raw_string.isdigit() for match in matches)


def _has_national(text: str) -> bool:
    import importlib

    from stdnum.us import ssn

    if any(ssn.is_valid(match[1]) for match in SSN.finditer(text)):
        return True
    return any(
        importlib.import_module(f"stdnum.{module}").is_valid(match[0])
        for pattern, module in NATIONALS
        for match in pattern.finditer(text)
    )
