"""Clusterings: who resembles whom, told without labels, and what the labels say of it."""
