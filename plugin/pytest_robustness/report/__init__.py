"""What a run leaves. Each report is a file here that gets the one `pytest_robustness.report.run_report.View`."""
