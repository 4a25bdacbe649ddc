"""An Olive config of an older version -> a project of today, every field accounted for.

`read` keeps the line of each field; `fields` is the table of what becomes of them; `plan` applies
it; `make` lets the generator's `new` make the project.
"""

from phi3scaffold.migration.new_project import migrate
from phi3scaffold.migration.old_config import OldConfig, read
from phi3scaffold.migration.plan import FieldOutcome, MigrationPlan, plan

__all__ = ["FieldOutcome", "MigrationPlan", "OldConfig", "migrate", "plan", "read"]
