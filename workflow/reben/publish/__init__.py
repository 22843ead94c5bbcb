"""The dataset for others: archives in the published layout, catalogue entries, a card."""
