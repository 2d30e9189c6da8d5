from __future__ import annotations
import math
from scipy import stats
from pytest_robustness.records import Outcome, Verdict
def judge_model(result, alpha):
    if not result.conclusive: return Verdict(Outcome.INCONCLUSIVE, "too few")
    if result.rejects(alpha): return Verdict(Outcome.FAIL, f"accuracy {'fell' if result.difference<0 else 'rose'} {abs(result.difference):.1f} points, p = {result.p_adjusted:.2g} < alpha {alpha:g}")
    return Verdict(Outcome.PASS, f"p = {result.p_adjusted:.2g}")
def allowed_sensitive(n, alpha, m):
    if m == "chance": return int(stats.binom.ppf(0.95, n, alpha)) if n else 0
    return m if isinstance(m, int) else math.floor(m*n+1e-9)
def judge_classes(results, alpha, m):
    n=sum(r.conclusive for r in results); k=sum(r.rejects(alpha) for r in results); a=allowed_sensitive(n,alpha,m)
    return Verdict(Outcome.FAIL if k>a else Outcome.PASS, f"{k} of {n} classes are sensitive, {a} are allowed")
