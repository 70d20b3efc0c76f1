"""Structures to ask about and data to learn from: a card and a loader each, fetched once with a checksum."""
