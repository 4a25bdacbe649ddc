"""Everything that touches Microsoft Olive; the only folder that imports it."""
