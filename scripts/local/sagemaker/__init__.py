"""The SageMaker runtime of the laptop cloud: the real protocol in front of a real small model."""
