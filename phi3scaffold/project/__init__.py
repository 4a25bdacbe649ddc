"""A folder with a project.yaml comes in; its settings and the places of its files go out."""
