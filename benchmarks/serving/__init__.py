"""How fast predictions are served, beside a bare echo on the same server and MLflow's own scoring server."""
