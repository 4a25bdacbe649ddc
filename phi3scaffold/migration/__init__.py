"""An Olive config of an older version -> a project of today, every field accounted for.

`read` keeps the line of each field; `fields` is the table of what becomes of them; `plan` applies
it; `make` lets the generator's `new` make the project.
"""

from phi3scaffold.migration.new_project import migrate
from phi3scaffold.migration.old_config import Old, read
from phi3scaffold.migration.plan import Outcome, Plan, plan

__all__ = ["Old", "Outcome", "Plan", "migrate", "plan", "read"]
