"""Answers and data come in; a project on disk, new or updated, goes out.

Only this room imports copier. template/copier.yml is the home of options; `template.questions`
reads it.
"""

from phi3scaffold.generator.new import complete, new
from phi3scaffold.generator.row_source import chosen_rows

__all__ = ["chosen_rows", "complete", "new"]
