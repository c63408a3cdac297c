"""Running on a cluster: the image, a KubeRay cluster, a CronJob, and the submission of Ray jobs.

Import `submission` to run a command as a Ray job; `README.md` describes the rest.
"""
