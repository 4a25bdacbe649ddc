"""The verbs about the job that runs a project in the cloud; one file a verb."""
