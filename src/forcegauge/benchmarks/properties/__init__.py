"""Properties of materials that a potential must get right to be of use."""
