"""An Olive config of an older version -> a project of today, every field accounted for.

`read` keeps the line of each field; `fields` is the table of what becomes of them; `plan` applies
it; `make` lets the generator's `new` make the project.
"""

from phi3scaffold.generator.legacy.make import migrate
from phi3scaffold.generator.legacy.plan import Outcome, Plan, plan
from phi3scaffold.generator.legacy.read import Old, read

__all__ = ["Old", "Outcome", "Plan", "migrate", "plan", "read"]
