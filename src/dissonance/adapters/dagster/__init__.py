"""The pipeline on Dagster. It loads for seconds: only what runs it imports it."""
