"""The words of the domain: types, units, errors, geometry, windows; stdlib and numpy only, no clock."""
