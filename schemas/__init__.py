"""What rows look like: types, Arrow schemas, codes. Imports nothing of ours."""
