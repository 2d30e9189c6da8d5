"""One run: its options, what it is asked, and the stages that answer. It knows nothing of pytest."""
