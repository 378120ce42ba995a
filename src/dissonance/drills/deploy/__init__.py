"""The drill on deploying: updates that go into production one after the other without a hand."""
