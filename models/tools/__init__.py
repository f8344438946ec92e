"""What `models/build` is made of."""
