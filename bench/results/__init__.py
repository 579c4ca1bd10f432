"""The data model: what is measured and kept; the only code that opens results/."""
