"""What a run made, for people: index.html and MODEL_CARD.md, from what the stages wrote."""
