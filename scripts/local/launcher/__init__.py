"""Starts, deploys to and stops the laptop cloud."""
