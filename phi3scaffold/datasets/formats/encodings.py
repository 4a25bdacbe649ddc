"""Which encoding the text of a file has: UTF-8, UTF-16 and UTF-32 are known, others are guessed.

What every byte of UTF-8 proves, an old code page leaves open: the same bytes are a text in several.
charset-normalizer says how odd each of these texts is. Of those that are hardly odder than the
best, the most usual encoding is taken, and the others are named.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from phi3scaffold.datasets.formats.byte_stream import Meter, open_bytes, readable

UTF_8 = "utf-8"
# The longer mark first: UTF-32's begins like UTF-16's.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# The most usual first. Those of ISO are left out where Windows' has the same letters and more.
CANDIDATES = (
    "cp1252", "cp1251", "cp1250", "cp932", "gb18030", "cp949", "big5", "cp1253", "cp1254", "cp1256",
    "cp1255", "cp1257", "cp1258", "cp874", "euc_jp", "koi8_r", "iso8859_2", "mac_roman", "cp850",
    "cp437",
)  # fmt: skip
NAMES = {
    "utf-8-sig": "UTF-8 with a byte order mark",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "mac_roman": "macintosh",
}
BLOCK = 1 << 16
SAMPLE = 1 << 18  # bytes of lines that are not plain ASCII
EVIDENT = 0.05  # a text this much odder than another is no rival of it
HALF_WIDTH = re.compile("[\uff61-\uff9f]")  # what Chinese looks like in Japan's encoding
CONTROL = re.compile("[\x80-\x9f]")  # no text has them; an encoding of ISO's gives them for a €
FOREIGN_LINE = re.compile(rb"[^\r\n]*[\x80-\xff][^\r\n]*")


@dataclass(frozen=True)
class Encoding:
    """What a file's bytes are.

    Attributes:
        codec: Python's name of the encoding, or None where the file is no text, or a mixture.
        others: what fits as well and gives another text.
        old_mac: whether lines end with a carriage return alone.
    """

    codec: str | None
    others: tuple[str, ...] = ()
    old_mac: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the file can be read as it is."""
        return self.codec == UTF_8 and not self.old_mac


def name_of(codec: str) -> str:
    """Return the name of an encoding as other tools know it.

    >>> [name_of(codec) for codec in ("cp1252", "utf-16-le", "koi8_r")]
    ['windows-1252', 'UTF-16', 'koi8-r']
    """
    if re.fullmatch(r"cp125\d", codec):
        return f"windows-{codec[2:]}"
    return NAMES.get(codec) or (codec.upper() if codec.startswith("utf") else codec).replace(
        "_", "-"
    )


def encoding_of(file: Path) -> Encoding:
    """Return which encoding the file's text has, unpacked where its name ends in .gz."""
    status = file.stat()
    return _detected(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _detected(file: Path, _changed: int, _size: int) -> Encoding:
    with readable(file), open_bytes(file, Meter()) as stream:
        head = stream.peek(BLOCK)[:BLOCK]
        marked = next((codec for mark, codec in MARKS.items() if head.startswith(mark)), None)
        marked = marked or _without_mark(head)
        if marked is None and b"\0" in head:
            return Encoding(None)
        sample, breaks, decoder = b"", set(), codecs.getincrementaldecoder(UTF_8)()
        valid = True
        while block := stream.read(BLOCK):
            breaks |= {mark for mark in (b"\n", b"\r") if mark in block}
            if valid and not marked:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    valid = False
            if not marked and len(sample) < SAMPLE and not block.isascii():
                sample += b"\n".join([*FOREIGN_LINE.findall(block), b""])
        if valid and not marked:
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                valid = False
    old_mac = breaks == {b"\r"}
    if marked:
        return Encoding(marked, (), old_mac)
    if valid:
        return Encoding(UTF_8, (), old_mac)
    return _guessed(sample[:SAMPLE], old_mac)


def _without_mark(head: bytes) -> str | None:
    """Return which UTF-16 a text without a mark is: ASCII's other half is NUL, on one side."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even + odd < head.count(b"\n"):  # each line break would have one: a stray NUL
        return None
    if odd > 20 * even:
        return "utf-16-le"
    return "utf-16-be" if even > 20 * odd else None


def _guessed(sample: bytes, old_mac: bool) -> Encoding:
    from charset_normalizer import from_bytes

    if _is_mixture(sample):
        return Encoding(None, (), old_mac)
    texts: dict[str, tuple[float, str]] = {}  # codec -> how odd, text
    for match in from_bytes(sample, cp_isolation=list(CANDIDATES)):
        if CONTROL.search(str(match)):
            continue
        for codec in match.could_be_from_charset:
            if codec in CANDIDATES:
                # a known language speaks for a text as oddness speaks against it
                text = str(match)
                odd = match.chaos - match.coherence / 5 + len(HALF_WIDTH.findall(text)) / len(text)
                texts[codec] = (odd, text)
    if not texts:
        return Encoding(None, (), old_mac)
    best = min(odd for odd, _ in texts.values())
    order = ("mac_roman", *CANDIDATES) if old_mac else CANDIDATES
    fitting = [name for name in order if name in texts and texts[name][0] <= best + EVIDENT]
    chosen, rivals = fitting[0], dict.fromkeys(fitting[1:])
    text = texts[chosen][1]
    others = tuple(name for name in rivals if name != chosen and texts[name][1] != text)
    return Encoding(chosen, others, old_mac)


def _is_mixture(sample: bytes) -> bool:
    """Return whether most of the foreign letters are UTF-8: a code page would spoil them."""
    text = sample.decode(UTF_8, errors="replace")
    broken = text.count("\ufffd")
    return sum(not letter.isascii() for letter in text) - broken > broken
