"""The dataset for publication: archives in the published layout, catalogue entries, a card."""
