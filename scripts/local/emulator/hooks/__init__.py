"""The only package that names internals of ministack; `contract` lists every one of them."""
