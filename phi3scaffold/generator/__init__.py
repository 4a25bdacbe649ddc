"""Answers -> a project on disk. The only part that imports copier.

`new` is the whole interface; `questions` reads template/copier.yml, the only home of options.
"""

from phi3scaffold.generator.new import complete, new
from phi3scaffold.generator.row_source import fitting_task

__all__ = ["complete", "fitting_task", "new"]
