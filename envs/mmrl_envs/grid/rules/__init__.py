"""Rules: what actions do, and when an instruction is done."""
