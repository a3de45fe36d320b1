"""The laptop cloud: an AWS emulator and a real small model as ordinary processes."""
