"""Azure Machine Learning, and Kubernetes attached through Azure Arc: the same job on both.

`submission` decides and sends, `follow` tells what the job tells, `fetch` brings back what it made;
`job` is what runs there. Azure's SDK is imported
in functions of `workspace` and `fetch` alone.
"""
