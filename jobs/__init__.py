"""The programs that users run, one screen each; nothing imports them."""
