"""The questions that ForceGauge puts to a potential, one file each."""
