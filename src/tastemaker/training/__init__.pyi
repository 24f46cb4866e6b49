from .fit import fit as fit
