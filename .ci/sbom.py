"""Write sbom.cdx.json: what a project's environments install, as CycloneDX tells it.

Packages, wheels and hashes are those of hashes.txt; licences are what the packages' own metadata
say, where they are installed. The released wheel carries the file (PEP 770: .dist-info/sboms/).
"""

from __future__ import annotations

import re
import sys
import uuid
from importlib import metadata
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
OUT = ROOT / "sbom.cdx.json"
LONGEST = 60  # characters of a licence's name; some packages give the whole text instead


def main() -> None:
    from phi3scaffold import __version__

    own = Component(
        name="phi3scaffold",
        version=__version__,
        type=ComponentType.APPLICATION,
        licenses=[LicenseExpression("MIT")],
        bom_ref="phi3scaffold",
    )
    text = (ROOT / "hashes.txt").read_text(encoding="utf-8")
    components: dict[str, Component] = {}
    for line in text.splitlines()[1:]:
        component = component_of(line)
        components.setdefault(component.bom_ref.value or "", component)
    bom = Bom(components=components.values())
    bom.metadata.component = own
    bom.metadata.timestamp = None  # type: ignore[assignment]  # the same pins give the same file
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"phi3scaffold {__version__}\n{text}")
    bom.register_dependency(own, components.values())
    OUT.write_text(JsonV1Dot6(bom).output_as_string(indent=1) + "\n", encoding="utf-8")
    unknown = [one.name for one in components.values() if not one.licenses]
    print(f"{OUT.name}: {len(components)} packages; no licence known of: {', '.join(unknown)}")


def component_of(line: str) -> Component:
    """Return the package of a line of hashes.txt."""
    requirement, _, environments = line.rpartition(" # ")
    name, _, version = requirement.partition(" ")[0].partition("==")
    url = PackageURL("pypi", name=name, version=version)
    hashes = re.findall(r"--hash=sha256:(\w+)", requirement)
    only = hashes if len(hashes) == 1 else []
    return Component(
        name=name,
        version=version,
        purl=url,
        bom_ref=str(url),
        licenses=filter(None, [licence_of(name)]),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in only],
        properties=[
            Property(name="phi3scaffold:environment", value=one) for one in environments.split()
        ],
    )


def licence_of(name: str) -> License | None:
    """Return what an installed package's metadata say; None where they say nothing."""
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    if "License-Expression" in found:
        return LicenseExpression(found["License-Expression"])
    classifiers = [
        one.rpartition(" :: ")[2]
        for one in found.get_all("Classifier") or []
        if one.startswith("License ::") and one != "License :: OSI Approved"
    ]
    text = (found["License"] or "").strip()
    if text and len(text) < LONGEST and "\n" not in text:
        return DisjunctiveLicense(name=text)
    return DisjunctiveLicense(name=" / ".join(classifiers)) if classifiers else None


if __name__ == "__main__":
    main()
