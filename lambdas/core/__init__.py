"""Rules, types and ports: no AWS, no HTTP, no environment variables."""
