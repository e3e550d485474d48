"""What files hold what a model makes: pictures or sounds, each read, written and laid out in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from latentia.cli.console import say
from latentia.errors import DataError, OptionError
from latentia.files import synthetic_tag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from latentia.core import Batch
    from latentia.data import Dataset, ImagePreprocessing
    from latentia.data.preprocessing import Pixels, Seen
    from latentia.runs import TrainedModel


class Medium(Protocol):
    """Pictures or sounds.

    Attributes:
        noun: one of them.
        suffix: of the files.
    """

    @property
    def noun(self) -> str: ...

    @property
    def suffix(self) -> str: ...

    def read(self, paths: Sequence[Path]) -> Dataset:
        """Reads files and brings them into the model's form; an example or more of each file."""
        ...

    def items(self, made: Batch, dataset: Dataset | None = None) -> list[NDArray[Any]]:
        """Turns what a task returns into what is written: one for each file that the data set was read from."""
        ...

    def strip(self, items: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Makes one of several, side by side or one after the other."""
        ...

    def sheet(self, parts: Sequence[Batch], columns: int | None) -> NDArray[np.uint8]:
        """Draws all in a grid, taking one of each part in turn."""
        ...

    def write(self, path: Path, item: NDArray[Any], task: str) -> None:
        """Writes one, with the tag that tells that it is synthetic."""
        ...


def medium_of(trained: TrainedModel, run: Path) -> Medium:
    """Returns the medium of a model.

    Raises:
        OptionError: it is a model of vectors.
    """
    kind = trained.preprocessing.kind
    if kind == "vector":
        raise OptionError(f"{run} holds a model of vectors, and this verb makes files; use latentia.load in Python.")
    return Pictures(trained) if kind == "image" else Sounds(trained)


def require_no_input(targets: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Checks that no result would replace what it is made of.

    Raises:
        OptionError: one would.
    """
    for path in targets:
        if path.exists() and any(own.exists() and path.samefile(own) for own in inputs):
            raise OptionError(f"{path} is an input, and the results would replace it; choose another place with -o.")


@dataclass(frozen=True)
class Pictures:
    """Pictures, one example for each file."""

    trained: TrainedModel
    noun: str = "picture"
    suffix: str = ".png"

    def read(self, paths: Sequence[Path]) -> Dataset:
        import numpy as np

        from latentia.data import Dataset

        form: Any = self.trained.preprocessing
        rows, seen = zip(*(_read_picture(form, path) for path in paths), strict=True)
        whole = np.ones((form.height, form.width), np.bool_)
        observed = np.stack([whole if part is None else part for part in seen])
        names = tuple(str(path) for path in paths)
        return Dataset(np.stack(rows), None if observed.all() else observed, file_names=names)

    def items(self, made: Batch, dataset: Dataset | None = None) -> list[NDArray[Any]]:
        from latentia import tasks

        return list(tasks.present(self.trained, made))

    def strip(self, items: Sequence[NDArray[Any]]) -> NDArray[Any]:
        import numpy as np

        from latentia.data import grid

        return grid(np.stack(items), len(items))

    def sheet(self, parts: Sequence[Batch], columns: int | None) -> NDArray[np.uint8]:
        import numpy as np

        from latentia import tasks
        from latentia.data import grid

        drawn = [tasks.present(self.trained, part) for part in parts]
        return grid(np.stack(drawn, 1).reshape(-1, *drawn[0].shape[1:]), columns)

    def write(self, path: Path, item: NDArray[Any], task: str) -> None:
        from latentia.data import write_picture

        write_picture(path, item, synthetic=synthetic_tag(task))


@dataclass(frozen=True)
class Sounds:
    """Sounds; a long file is several examples, which are put together again."""

    trained: TrainedModel
    noun: str = "recording"
    suffix: str = ".wav"

    def read(self, paths: Sequence[Path]) -> Dataset:
        import numpy as np

        from latentia.data import Dataset, Ragged, read_recording

        form: Any = self.trained.preprocessing
        waves: list[NDArray[np.int16]] = []
        gains: list[float] = []
        names: list[str] = []
        for number, path in enumerate(paths):
            pieces, gain = form.apply(read_recording(path, form.sample_rate)[0])
            waves += pieces
            gains += [gain] * len(pieces)
            names += [f"{number}:{path}"] * len(pieces)  # the same file may be given twice
        store = Ragged.of(waves)
        return Dataset(
            store,
            lengths=store.lengths,
            gains=np.array(gains, np.float32),
            file_names=tuple(names),
            groups=tuple(names),
        )

    def items(self, made: Batch, dataset: Dataset | None = None) -> list[NDArray[Any]]:
        from latentia import tasks

        if dataset is None or dataset.gains is None or dataset.lengths is None:
            return list(tasks.sound(self.trained, made))
        return tasks.sound_of_files(self.trained, made, dataset)

    def strip(self, items: Sequence[NDArray[Any]]) -> NDArray[Any]:
        from latentia import tasks

        return tasks.joined(items, self.trained.speech.sample_rate)

    def sheet(self, parts: Sequence[Batch], columns: int | None) -> NDArray[np.uint8]:
        import numpy as np

        from latentia.core import join
        from latentia.data import grid
        from latentia.report.spectrogram import spectrograms

        form: Any = self.trained.preprocessing
        turns = [part.rows(slice(row, row + 1)) for row in range(len(parts[0])) for part in parts]
        return grid(np.asarray(spectrograms(form.front_end, join(turns))), columns)

    def write(self, path: Path, item: NDArray[Any], task: str) -> None:
        from latentia.data import write_recording

        form: Any = self.trained.preprocessing
        write_recording(path, item, form.sample_rate, synthetic=synthetic_tag(task))


def _read_picture(form: ImagePreprocessing, path: Path) -> tuple[Pixels, Seen | None]:
    from latentia.data import further_frames, read_picture
    from latentia.data.pixels import INVISIBLE

    picture = read_picture(path)
    found = further_frames(picture)
    if found is not None:
        say(f"{path} {found}; the first one is used.")
    try:
        pixels, seen = form.apply(picture)
    except DataError as error:
        raise DataError(f"{path} cannot be used: {error}") from error
    if seen is not None and not seen.any():
        raise DataError(f"{path} cannot be used: {INVISIBLE}")
    return pixels, seen
