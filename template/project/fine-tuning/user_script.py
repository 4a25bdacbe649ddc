"""For `olive run`: registers the components that read the rows and mask all but the answers."""

import phi3scaffold.stages.olive_rows  # noqa: F401
