"""Run one node of one run of a compiled pipeline. This docstring is the contract with whoever calls it.

    python -m pipeline_lib.tfx.run_node --pipeline FILE --node ID --run-id ID [--result FILE]
                                        [--parameters FILE] [--param NAME=VALUE ...] [--runtime warm|cold]

`--pipeline`    what `python -m pipeline_lib.tfx.compile` wrote.
`--parameters`  a JSON object of run parameters, by name; `--param` overrides one. What is left out has its default.
`--result`      receives a `pipeline_lib.node_result.NodeResult`, whole or not at all, also where the node failed.
`--runtime`     warm: a forked child of this host's preloaded server, which is started where there is none;
                cold: a fresh process. Default: the setting MNIST_LITE_RUNTIME.

stdout and stderr are the node's log, as it is written; where the node fails, its own error is the last line.
SIGTERM ends the node and everything that it started, and records the execution as cancelled.

exit codes: 0 ran, or answered from cache; 1 the node failed; 2 it cannot be run as asked; 99 skipped (a condition is
false, a Pusher's model is not blessed); otherwise ended by that signal (128 + its number).
"""
