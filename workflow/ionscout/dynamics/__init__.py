"""Molecular dynamics of the shortlist: engines, preparation, runs, their store and the audit."""
