"""An old Olive config comes in; a new project and an account of every field go out.

`read` keeps the line of each field; `fields` is the table of how each is converted; `plan` applies
it; `look` looks at the rows; `migrate` lets the generator write the project.
"""

from phi3scaffold.migration.new_project import migrate
from phi3scaffold.migration.old_config import OldConfig, read
from phi3scaffold.migration.plan import FieldOutcome, MigrationPlan, plan
from phi3scaffold.migration.row_lookup import look

__all__ = ["FieldOutcome", "MigrationPlan", "OldConfig", "look", "migrate", "plan", "read"]
