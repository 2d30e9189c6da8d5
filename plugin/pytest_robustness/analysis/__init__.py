"""From stored predictions to findings: read the answers, run the statistics, reach a verdict."""
