"""A config.json's architecture comes in; modules, template traits and builder traits go out."""
