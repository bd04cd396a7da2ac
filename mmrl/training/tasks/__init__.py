"""Tasks of ``mmrl fit``: one file each."""
