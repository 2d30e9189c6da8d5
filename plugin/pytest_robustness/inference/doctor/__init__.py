"""The doctor's questions: what a model answers where one setting of its set-up is another.

`mistakes` lists the usual ones, `asking` has the model answer under each, and `prescription` says what to write. What
the answers show is judged in ``analysis/diagnosis``.
"""
