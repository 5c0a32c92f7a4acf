"""The data that come with Ionscout, in `resources/`: read, checked and proved."""
