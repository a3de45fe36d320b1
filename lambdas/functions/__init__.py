"""One module per deployed function, and the HTTP edge that they share."""
