"""ForceGauge measures machine-learning force fields: by the physics they must obey, with an interval on every number.

``forcegauge.run``, ``analyse``, ``rank``, ``compare`` and ``report`` do what the commands of these names do,
``load_model`` gives any model as an ASE calculator. Nothing heavy is imported until one of them is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from forcegauge.version import __version__

if TYPE_CHECKING:
    from forcegauge.api import analyse, compare, load_model, rank, run
    from forcegauge.report import write_report as report

__all__ = ["__version__", "analyse", "compare", "load_model", "rank", "report", "run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'forcegauge' has no attribute '{name}'; it has {', '.join(__all__)}")
    if name == "report":  # the part of this name, which can be called
        return import_module("forcegauge.report")
    return getattr(import_module("forcegauge.api"), name)


def __dir__() -> list[str]:
    return __all__
