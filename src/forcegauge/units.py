"""Constants and conversions. Inside ForceGauge: eV, Å, amu; stress in eV/Å³, tension positive as in ASE."""

EV_PER_A3_IN_GPA = 160.21766208
"""One eV/Å³ in GPa (CODATA 2014, the set that ASE uses by default)."""

ROOT_EV_PER_A2_AMU_IN_THZ = 15.633302
"""√(1 eV/(Å² amu)) as a frequency: over 2π, in THz (as phonopy's default)."""
