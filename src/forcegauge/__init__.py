"""ForceGauge measures machine-learning force fields."""

from forcegauge.version import __version__

__all__ = ["__version__"]
