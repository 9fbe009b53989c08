"""One task, which asks someone."""

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG

with DAG("mnist_tflite", schedule=None, max_active_runs=8):
    ApprovalOperator(task_id="approval", subject="Well?")
