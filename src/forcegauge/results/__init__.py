"""The store: one SQLite file per results folder, one writer, readers at any time; see :mod:`.store`."""
