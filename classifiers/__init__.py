"""Features or clips to labels."""
