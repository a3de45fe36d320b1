"""The laptop cloud's AWS: the ministack emulator with our additions, in one process."""
