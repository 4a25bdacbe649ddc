"""A released model's forms and report come in; a commit in a repository of the hub goes out."""
