"""Files of this machine behind the port `Blobs`."""
