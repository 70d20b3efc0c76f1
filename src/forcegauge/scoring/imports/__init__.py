"""Results that others have published, brought into a store: curves as records, bare numbers as published metrics.

A record of theirs belongs to the same case, by its id and its digest, and to the same settings as one of ours, so it
is analysed, ranked and plotted like any other; its model's identity says ``published:`` and by whom. A file comes in
whole or not at all.
"""

from forcegauge.scoring.imports.deposit import FORMATS, import_published

__all__ = ["FORMATS", "import_published"]
