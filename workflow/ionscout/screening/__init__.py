"""Screening: gates, the funnel that accounts for every loss, and the shortlist."""
