"""From conversations to training tokens: rendered, indexed, split, packed."""
