"""From a data file to a served pair of models, and on: ingest, validate, train, evaluate, gate, register, promote."""
