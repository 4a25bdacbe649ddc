"""A project comes in; its pipeline runs here or as a job elsewhere, and forms and findings go out.

`base` is the contract that every target keeps, `registry` lists the targets. `local` and `azureml`
implement it, each with its own checks.
"""
