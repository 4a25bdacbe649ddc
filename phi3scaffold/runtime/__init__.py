"""From a project to a model: stages, forms, data. Never imports the generator."""
