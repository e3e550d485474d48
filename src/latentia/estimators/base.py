"""What the estimators have in common: parameters, fitting, saving."""

from __future__ import annotations

import numbers
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted  # pyright: ignore[reportUnknownVariableType]

from latentia.config import merge_settings
from latentia.data import Dataset, Preprocessing, Source
from latentia.errors import OptionError, RunError
from latentia.estimators.parts import ROLES, Parts
from latentia.evaluation import model_card
from latentia.files import expand, make_folder, write_text
from latentia.presets import resolve
from latentia.runs import RunFolder, TrainedModel, write_history, write_model

Floats = NDArray[np.floating[Any]]
History = tuple[dict[str, float], ...]


class BaseVAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    """A variational autoencoder behind scikit-learn's interface.

    What is None is taken from the preset.

    Args:
        latent_dim: number of latents.
        preset: name of a preset; None chooses by the data.
        settings: the rest of the configuration, nested as in a configuration file, for example
            `{"data": {"size": 32}, "training": {"patience": 5}}`.
        epochs: passes over the data.
        batch_size: examples a step.
        learning_rate: the largest one; it warms up and decays.
        beta: weight of the rate in the objective.
        max_minutes: longest time to train.
        encoder: a name, `{"name": ..., setting: ...}`, or an object, as the following.
        decoder: latents to the likelihood's parameters.
        prior: the distribution of the latents.
        likelihood: the distribution of the data given latents.
        objective: what training minimises.
        random_state: seed of first weights, order and noise; None means the seed of the settings, which is 0.
        skip_bad: whether to go on although more than 10 % of the files cannot be read.
        verbose: whether a progress bar is shown on stderr.

    Attributes:
        trained_: the model, its preprocessing and configuration: what the functions in `latentia.tasks` take.
        history_: one line of figures for each epoch.
        n_features_in_: numbers in one example.
    """

    trained_: TrainedModel
    history_: History
    n_features_in_: int

    def __init__(
        self,
        latent_dim: int | None = None,
        *,
        preset: str | None = None,
        settings: dict[str, Any] | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        beta: float | None = None,
        max_minutes: float | None = None,
        encoder: Any = None,
        decoder: Any = None,
        prior: Any = None,
        likelihood: Any = None,
        objective: Any = None,
        random_state: int | np.random.RandomState | None = None,
        skip_bad: bool = False,
        verbose: bool = False,
    ) -> None:
        self.latent_dim = latent_dim
        self.preset = preset
        self.settings = settings
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.beta = beta
        self.max_minutes = max_minutes
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        self.likelihood = likelihood
        self.objective = objective
        self.random_state = random_state
        self.skip_bad = skip_bad
        self.verbose = verbose

    @classmethod
    def from_trained(cls, trained: TrainedModel, history: Sequence[dict[str, float]] = ()) -> Self:
        """Makes a fitted estimator of a trained model.

        Args:
            trained: the model.
            history: one line of figures for each epoch.
        """
        first = trained.config.first_stage  # `fit` trains as the model was trained, before any second stage
        settings = first.model_dump(mode="json", exclude={"preset"})
        estimator = cls(first.model.latent_dim, preset=first.preset, settings=settings, skip_bad=trained.data.skip_bad)
        estimator._keep(trained, tuple(history), Parts())
        return estimator

    def fit_prior(
        self,
        X: Any,  # noqa: N803
        prior: Any = None,
        *,
        y: Any = None,
        settings: dict[str, Any] | None = None,
    ) -> Self:
        """Fits a new prior to what the trained model says of its data, so that samples look more like them.

        Encoder and decoder stay as they are. The parameters of the estimator stay too, so that `fit` trains as before.

        Args:
            X: the data that it was trained on, as `fit` takes them.
            prior: a name, `{"name": ..., setting: ...}`, or an object; None means a mixture of normal distributions
                with full covariances, as many as the root of the number of examples, at most 200.
            y: the classes, as `fit` took them; ignored by models without labels.
            settings: the rest, for example `{"prior_stage": {"steps": 500}}`.

        Returns:
            Itself.

        Raises:
            NotFittedError: the estimator is not fitted.
            OptionError: an unknown prior or setting, or one that has nothing to fit.
            DataError: other classes than those that the model was trained with.

        Example:
            >>> from latentia import VAE
            >>> x = np.random.default_rng(0).normal(size=(60, 4))
            >>> vae = VAE(latent_dim=2, epochs=1).fit(x)
            >>> vae.fit_prior(x, "mixture", settings={"prior_stage": {"steps": 5}}).trained_.config.model.prior.name
            'mixture'
        """
        check_is_fitted(self)
        from latentia.training.second_stage import fit_second_stage, second_stage_config

        trained, parts = self.trained_, Parts.read({"prior": prior})
        seed = {} if self.random_state is None else {"prior_stage": {"seed": seed_of(self.random_state)}}
        config = second_stage_config(
            trained.config, trained.data.n_train, merge_settings(merge_settings(parts.settings, seed), settings or {})
        )
        result = fit_second_stage(trained, self._dataset(X, y), config, parts=parts.objects)
        others = {role: part for role, part in self._parts.objects.items() if role != "prior"}
        # Without the path, since what stands there is about the model as it was.
        self._keep(replace(result.trained, path=None), self.history_, Parts(objects={**others, **parts.objects}))
        return self

    def save_pretrained(self, folder: str | Path) -> Path:
        """Writes the model and a model card into a run folder, from which `latentia.load` reads it.

        Figures, report and checkpoint of another model that was in the folder are removed, since they would not be of
        this one.

        Args:
            folder: is created where it is missing; a model in it is replaced.

        Returns:
            The folder.

        Raises:
            OptionError: a part is an object of a class that is not registered.
            RunError: a training is at work in the folder, or it is no run folder and has files of such names.
            FileError: the folder cannot be written.
        """
        check_is_fitted(self)
        self._parts.require_registered()
        run = RunFolder(make_folder(expand(folder)))
        with run.locked():
            _require_run_folder(run)
            write_model(run, self.trained_)
            write_history(run, self.history_)
            if self.trained_.path is None or self.trained_.path.resolve() != run.path.resolve():
                _replace_documents(run, self.trained_)
        return run.path

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """Returns the mean log likelihood of examples, nats.

        Args:
            X: the examples.
            y: ignored.
        """
        return float(np.mean(self.score_samples(X)))

    @abstractmethod
    def _dataset(self, X: Any, y: Any = None) -> Dataset:  # noqa: N803
        """Brings data, and classes where the model has labels, into the model's form."""

    @abstractmethod
    def score_samples(self, X: Any) -> Floats:  # noqa: N803
        """Returns the log likelihood of each example, nats, shape (N,)."""

    @property
    def _n_features_out(self) -> int:
        return self.trained_.model.latent_dim

    def _train(self, source: Source, preset: str | None = None) -> None:
        """Trains on a source of data, and keeps the result.

        Args:
            source: the data.
            preset: is taken if the person chose none.
        """
        # Here and not above: Lightning takes seconds to import, and using a trained model needs none of it.
        from latentia.training.fit import fit, prepare_training

        parts = Parts.read({role: getattr(self, role) for role in ROLES})
        fallback = {} if preset is None else {"preset": preset}
        config, preprocessing = resolve(source, self.preset, {**fallback, **(self.settings or {})})
        for settings in (parts.settings, self._explicit_settings()):
            config = config.with_settings(settings, f"the arguments of {type(self).__name__}")
        training = prepare_training(
            self._load(source, preprocessing),
            preprocessing,
            config,
            name=source.name,
            fingerprint=source.fingerprint(),
            skip_bad=self.skip_bad,
            parts=parts.objects,
        )
        result = fit(training, callbacks=self._callbacks())
        self._keep(result.trained, result.history, parts)
        if result.ending == "interrupted":
            raise KeyboardInterrupt

    def _load(self, source: Source, preprocessing: Preprocessing) -> Dataset:
        """Reads data, and warns of files that were left out."""
        dataset = source.load(preprocessing, skip_bad=self.skip_bad)
        left_out = [problem for problem in dataset.problems if problem.skipped]
        if left_out:
            first = left_out[0].message
            warnings.warn(f"{len(left_out)} file(s) of {source.name} were left out. The first: {first}", stacklevel=4)
        return dataset

    def _keep(self, trained: TrainedModel, history: History, parts: Parts) -> None:
        self.trained_ = trained
        self.history_ = history
        self.n_features_in_ = int(np.prod(trained.preprocessing.event_shape))
        self._parts = parts

    def _explicit_settings(self) -> dict[str, Any]:
        """Returns what the person set by arguments, nested as in a configuration file."""
        training = {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "max_minutes": self.max_minutes,
            "seed": None if self.random_state is None else seed_of(self.random_state),
        }
        groups: dict[str, dict[str, Any]] = {
            "model": {"latent_dim": self.latent_dim},
            "objective": {"beta": self.beta},
            "training": training,
        }
        chosen = {name: {k: v for k, v in group.items() if v is not None} for name, group in groups.items()}
        return {name: group for name, group in chosen.items() if group}

    def _callbacks(self) -> list[Any]:
        if not self.verbose:
            return []
        from latentia.training.progress import TrainingProgress

        return [TrainingProgress()]


def _require_run_folder(run: RunFolder) -> None:
    """Refuses a folder in which files that are not of a run would be replaced."""
    if run.config.exists():
        return
    taken = next((path for path in (run.weights, run.log, run.metrics, run.report, run.card) if path.exists()), None)
    if taken is not None:
        raise RunError(f"{run.path} is not a run folder, and its {taken.name} would be lost: choose another folder.")


def _replace_documents(run: RunFolder, trained: TrainedModel) -> None:
    """Writes the card of a model that was not in the folder, and removes what was written about another."""
    write_text(run.card, model_card(replace(trained, path=run.path)))
    for other in (run.metrics, run.report, run.last_checkpoint):
        other.unlink(missing_ok=True)


def seed_of(random_state: Any) -> int:
    """Turns scikit-learn's `random_state` into a seed; None draws one from NumPy's global state.

    Raises:
        OptionError: it is neither a seed, which is not negative, nor a random state.
    """
    if isinstance(random_state, numbers.Integral):
        if random_state < 0:
            raise OptionError(f"random_state must be at least 0, not {random_state}.")
        return int(random_state)
    if random_state is None:
        return int(np.random.randint(2**31 - 1))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    raise OptionError(f"random_state must be a whole number, a RandomState or None, not {random_state!r}.")
