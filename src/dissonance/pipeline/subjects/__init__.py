"""What is known about one data subject: shown, exported, erased."""
