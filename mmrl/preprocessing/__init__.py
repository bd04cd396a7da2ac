"""Raw input → one normalised form."""
