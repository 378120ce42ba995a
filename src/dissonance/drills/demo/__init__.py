"""The demo: a real classifier on real census data, served, doubted, judged, recorded and once updated."""
