"""Where ForceGauge keeps what it can fetch or build again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder of downloads and models' environments; it need not exist yet.

    ``FORCEGAUGE_CACHE`` where that is set and not empty, else the user's cache folder of this platform.
    """
    chosen = os.environ.get("FORCEGAUGE_CACHE", "")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs  # here, because a model's environment may import this file without having it

    return Path(platformdirs.user_cache_dir("forcegauge", appauthor=False))
