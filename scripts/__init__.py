"""What people run: the command line, the laptop cloud, training scripts."""
