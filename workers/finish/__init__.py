"""What is done to a rendered image before it is stored."""
