"""Azure Machine Learning, and Kubernetes attached through Azure Arc: the same job on both.

`target` keeps the contract of targets. `submission` submits a job or attaches to one, `job_log`
follows it, `fetch` fetches its results; `job_run` is what runs in the cloud. Azure's SDK is
imported in functions only.
"""
