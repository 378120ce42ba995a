"""How good is a classifier on people that its training sample hardly reached, before any label of them is known?

The data come with the package: employment of adults in Massachusetts. `python examples/how_good_is_it_today.py` prints
what it finds, and writes `out/how-good-is-it-today.svg` below the folder where it is run.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from lightgbm import LGBMClassifier

from dissonance.data import acs_employment_path
from dissonance.science import CannotTell, Watch
from dissonance.science.pictures import picture_of_harm

INPUTS = ["AGEP", "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "SEX", "RAC1P"]
NUMBERS = {"AGEP", "SCHL"}
OUT = Path("out")


def main() -> None:
    adults = pd.read_parquet(acs_employment_path()).query("AGEP >= 16").sample(40_000, random_state=1)
    adults = adults[[*INPUTS, "employed"]].astype({name: "category" for name in INPUTS if name not in NUMBERS})
    # Nine of ten in the training sample have been to college; today's traffic is everybody.
    seen = adults[(adults["SCHL"] >= 20) | (adults.index % 10 == 0)].iloc[:16_000]
    training, reference = seen.iloc[:10_000], seen.iloc[10_000:]
    today = adults.drop(seen.index).query("SCHL < 20").iloc[:2_000]
    model = LGBMClassifier(n_estimators=80, num_leaves=15, verbosity=-1).fit(training[INPUTS], training["employed"])

    watch = Watch.fit(
        reference, label="employed", probabilities=model.predict_proba(reference[INPUTS]), classes=model.classes_
    )
    found = watch.judge(today, model.predict_proba(today[INPUTS]))
    if isinstance(found, CannotTell):
        print("cannot tell: these columns are apart:", watch.separating(found))
        return
    print(f"on the labelled reference {found.reference_accuracy:.3f}")
    interval = f"({found.low:.3f} to {found.high:.3f}), at least {found.bound:.3f}"
    print(f"today, estimated          {found.accuracy:.3f}  {interval}")
    print(f"harm: drop {found.harm.drop:+.3f}, p = {found.harm.p_value:.4f}")
    explained = watch.explain(today, found)
    told = explained.drop(columns=["reference_belief", "window_belief"])
    print(told.head(5).to_string(index=False, float_format="%.3f"))
    OUT.mkdir(exist_ok=True)
    picture_of_harm(explained).savefig(OUT / "how-good-is-it-today.svg")
    truth = (model.predict(today[INPUTS]) == today["employed"]).mean()
    print(f"what the labels say later {truth:.3f}")


if __name__ == "__main__":
    main()
