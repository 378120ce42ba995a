"""What runs inside the MLflow server that we start: its access control, fed by our tokens (ADR 55)."""
