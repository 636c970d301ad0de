"""What a decoded grid goes through: clean-up, rendering, files."""
