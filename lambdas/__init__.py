"""Everything that runs in a Lambda function: one package, one code asset."""
