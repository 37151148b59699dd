"""A search with Optuna: trials that fall behind are cut short, and several processes share one search.

What Optuna knows lies in a file that is only ever added to, so processes may come and go: one that starts
takes up a trial whose process has died, or asks for the next. The folder of the search is written by one
process at a time; each trial's folder belongs to the process that trains it.
"""

import contextlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import filelock

from dnzoo import storage
from dnzoo.training import trials
from dnzoo.training.config import Config
from dnzoo.training.trials import Row, SearchSpace, Setup

JOURNAL = "optuna.log"
NAME = "search"
ENOUGH = (
    10  # trials that ran to their end, before anything is said of what mattered: fewer show chance
)


def search(config: Config, setup: Setup, search_space: SearchSpace) -> list[Row]:
    """The rows of all trials that have ended, those of other processes included; see `tune`.

    The sampler is Optuna's TPE (Bergstra et al. 2011). Its proposal follows from the seed, the trial's number
    and what the trials before have shown: one process alone comes to the same trials again. The pruner ends a
    trial whose best score is below the median of the others' after as many epochs. Both have Optuna's
    defaults: 10 trials at random first, and 5 that run to their end.
    """
    if config.tuner != "bayesian":
        raise ValueError(
            f"tuner={config.tuner} is keras-tuner's; engine=optuna ends bad trials early by itself: "
            "leave `tuner` out."
        )
    optuna = _optuna()
    with _alone(config) as out:
        trials.claim(out, config)
    setup(config)  # says in the config what the data is
    with _alone(config) as out:
        trials.claim_data(out, config)
        study = _Study(optuna, config, out)
    while True:
        with contextlib.ExitStack() as held:
            with _alone(config) as out:
                found = study.next(out, held)
                if found is None:
                    if others := len(study.unfinished()):
                        print(
                            f"Other processes still train {others} more; the last writes all this anew."
                        )
                    shares = study.importances()
                    if not shares:
                        print(f"What mattered is told from {ENOUGH} whole trials on.")
                    return trials.finish(config, out, _rows(out), shares)
                trial, folder = found
                values = search_space(Space(trial))
            behind = study.falls_behind(trial)
            row = trials.run(config, setup, trial.number + 1, values, folder, behind)
            with _alone(config) as out:
                study.tell(trial, row)
                trials.show(out, _rows(out), row)


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ImportError(f'{error.name} is missing: pip install "dnzoo[optuna]".') from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _alone(config: Config) -> contextlib.AbstractContextManager[storage.Owned]:
    """The folder of the search, while no other process writes there."""
    return storage.owned(config.out, wait=True, alone=True)


class Space:
    """A trial of Optuna's, asked as keras-tuner's `HyperParameters` are.

    A setting that is asked for under a condition is a plain `if` of the search space.
    """

    def __init__(self, trial: Any) -> None:
        self._trial = trial

    def Float(
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = None,
    ) -> float:
        """A number between two, both included."""
        log = _is_log(name, step, sampling)
        return self._trial.suggest_float(name, min_value, max_value, step=step, log=log)

    def Int(
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str | None = None,
    ) -> int:
        """An integer between two, both included."""
        log = _is_log(name, step, sampling)
        return self._trial.suggest_int(name, min_value, max_value, step=step or 1, log=log)

    def Choice(self, name: str, values: Sequence[Any]) -> Any:
        """One of the values: text, numbers or booleans."""
        return self._trial.suggest_categorical(name, values)

    def Boolean(self, name: str) -> bool:
        """True or False."""
        return self.Choice(name, [False, True])

    def Fixed(self, name: str, value: Any) -> Any:
        """The value."""
        return self.Choice(name, [value])


def _is_log(name: str, step: float | None, sampling: str | None) -> bool:
    if sampling not in (None, "linear", "log") or (sampling == "log" and step):
        raise ValueError(
            f"{name}: engine=optuna takes sampling='linear' or, without a step, 'log'; got {sampling!r}, "
            f"step={step}."
        )
    return sampling == "log"


class _Study:
    """Optuna's study in the folder of a search."""

    def __init__(self, optuna: Any, config: Config, out: storage.Owned) -> None:
        self.optuna, self.config = optuna, config
        out.note(JOURNAL)
        # a lock of the operating system's: it ends with its process
        lock = filelock.FileLock(out / storage.OWN / f"{JOURNAL}.lock")
        with lock:
            _mend(out / JOURNAL)
        journal = optuna.storages.journal
        self.storage = journal.JournalStorage(journal.JournalFileBackend(str(out / JOURNAL), lock))
        self.study = optuna.create_study(
            storage=self.storage,
            study_name=NAME,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(),
        )

    def next(self, out: storage.Owned, held: contextlib.ExitStack) -> tuple[Any, Any] | None:
        """A trial to train, whose process has died or a new one, and its folder; None: no more."""
        for number in self.unfinished():
            with contextlib.suppress(BlockingIOError):  # another process trains it
                return self._trial(number, held.enter_context(_place(out, number)))
        count = len(self.study.get_trials())
        if count >= self.config.tune:
            return None
        self.study.sampler = self._sampler(count)
        trial = self.study.ask()
        return trial, held.enter_context(_place(out, trial.number))

    def unfinished(self) -> list[int]:
        """Numbers of trials that a process trains, or trained when it died."""
        return [t.number for t in self.study.get_trials() if not t.state.is_finished()]

    def _trial(self, number: int, folder: storage.Owned) -> tuple[Any, storage.Owned]:
        self.study.sampler = self._sampler(number)
        study_id = self.storage.get_study_id_from_name(NAME)
        found = self.storage.get_trial_id_from_study_id_trial_number(study_id, number)
        return self.optuna.trial.Trial(self.study, found), folder

    def _sampler(self, number: int) -> Any:
        # a seed for each trial: processes that share one would propose the same
        seed = random.Random(f"{self.config.seed} {number}").getrandbits(32)
        return self.optuna.samplers.TPESampler(seed=seed)

    def falls_behind(self, trial: Any) -> trials.Enough:
        """Function of an epoch's number and score: whether the trial is to be cut short."""
        reported = set(self.study.get_trials()[trial.number].intermediate_values)

        def enough(epoch: int, score: float) -> bool:
            if epoch not in reported:
                trial.report(score, epoch)
                reported.add(epoch)
            return bool(trial.should_prune())  # numpy knows bools of its own

        return enough

    def tell(self, trial: Any, row: Row) -> None:
        """What has become of a trial."""
        states = self.optuna.trial.TrialState
        if row["score"] is None:
            self.study.tell(trial, state=states.FAIL)
        elif row["pruned"]:
            self.study.tell(trial, state=states.PRUNED)
        else:
            self.study.tell(trial, row["score"])

    def importances(self) -> dict[str, float]:
        """The share of each setting in what made trials good (PED-ANOVA, Watanabe et al. 2023)."""
        complete = [t for t in self.study.get_trials() if t.state.name == "COMPLETE"]
        if len(complete) < ENOUGH or len({t.value for t in complete}) == 1:
            return {}
        return self.optuna.importance.get_param_importances(self.study)


def _place(out: storage.Owned, number: int) -> contextlib.AbstractContextManager[storage.Owned]:
    return storage.owned(out / trials.place(number + 1), alone=True)


def _mend(journal: Path) -> None:
    """Take away a last line that a full disk or a power cut left half written."""
    if journal.is_file():
        whole = journal.read_bytes().rfind(b"\n") + 1
        with open(journal, "r+b") as file:
            file.truncate(whole)


def _rows(out: storage.Owned) -> list[Row]:
    """Those of the trials that have ended, whichever process trained them."""
    files = out.path.glob(f"{trials.place(0).rpartition('/')[0]}/*/{trials.RESULT}")
    rows = [json.loads(file.read_text("utf-8")) for file in files]
    return sorted(rows, key=lambda row: row["trial"])
