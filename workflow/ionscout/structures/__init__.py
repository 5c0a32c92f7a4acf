"""Where crystals come from, and how they become the campaign's materials."""
