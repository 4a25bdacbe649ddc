"""For `olive run`: registers the components that read the rows and mask all but the answers."""

import phi3scaffold.runtime.olive.components  # noqa: F401
