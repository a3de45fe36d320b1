"""Adapters: the ports of lambdas.core on AWS services."""
