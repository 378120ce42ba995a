"""The fault campaign: every part is killed, stopped, slowed and cut off in turn under a load that does not wait."""
