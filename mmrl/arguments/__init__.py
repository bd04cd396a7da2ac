"""Arguments: the options of commands, YAML files and keyword arguments, read by one parser."""
