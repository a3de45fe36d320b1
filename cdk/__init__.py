"""What is deployed: stacks, constructs and the stages that choose among them."""
