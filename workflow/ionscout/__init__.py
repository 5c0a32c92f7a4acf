"""Ionscout: a campaign that finds lithium solid-state electrolytes."""
