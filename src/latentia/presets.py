"""Presets: named configurations, each a few lines that name parts and cite a paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from latentia.config import Config
from latentia.data import (
    NOUNS,
    FileSource,
    ImagePreprocessing,
    Kind,
    Preprocessing,
    Source,
    choose_preprocessing,
    photograph_side,
)
from latentia.errors import OptionError, nearest

Shape = tuple[int, ...]
Settings = dict[str, Any]
MOST_STAGES = 4  # so that large pictures, too, are seen at a side of 16 pixels or so


@dataclass(frozen=True)
class Preset:
    """A named configuration.

    Attributes:
        name: for `--preset`.
        kind: of data that it is for.
        description: one line.
        paper: where it comes from.
        settings: the rest of the configuration, once the form of an example is known.
        data: settings of the data, which decide that form.
        variation: whether the settings are laid over those of the plain preset for the data, so that the two differ in
            nothing else.
    """

    name: str
    kind: Kind
    description: str
    paper: str
    settings: Callable[[Preprocessing], Settings]
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    variation: bool = False


PRESETS: dict[str, Preset] = {}
# Small gaps come more often than large ones: what a model learns from them grows for longer.
MASKS_OF_ALL_KINDS: list[str | Settings] = [
    *("scattered", "blocks", "centre", "half", "rectangles", "strokes", "nothing", "everything"),
    *2 * ["scratches"],
    {"name": "scattered", "least": 0.0, "most": 0.5},
    {"name": "scattered", "least": 0.4, "most": 0.9},
    *2 * [{"name": "scattered", "least": 0.7, "most": 0.95}],
]


def register_preset(preset: Preset) -> Preset:
    """Adds a preset to the list that `--preset` takes."""
    PRESETS[preset.name] = preset
    return preset


_FLOW: Settings = {"name": "flow", "transforms": 4, "width": 128}


def _mnist(form: Preprocessing) -> Settings:
    """Small convolutions for what is local, one wide dense block for what is not, and a prior that fits the code."""
    stages = _stages(form.event_shape)
    sizes = {"name": "residual", "widths": [16, 48, 64, 64][:stages], "blocks": [1] * stages}
    return {
        "model": {
            "latent_dim": 40,
            "encoder": sizes,
            "decoder": {**sizes, "dense": 512},
            "prior": _FLOW,
            "likelihood": "bernoulli",
        },
        "objective": {"name": "elbo", "warmup_steps": 500, "warmup_start": 0.1},
        "training": {"epochs": 48, "batch_size": 256, "optimizer": "muon", "learning_rate": 1.5e-3},
    }


def _image(form: Preprocessing) -> Settings:
    """Stages that are wider as they get coarser."""
    side, stages = min(form.event_shape[1:]), _stages(form.event_shape)
    widths = [32, 64, 96, 128][-stages:] if stages > 1 else [48]
    blocks = [1] * (stages - 1) + [2]
    return {
        "model": {
            "latent_dim": 16 if side < 16 else 32 if side < 48 else 64,
            "encoder": {"name": "residual", "widths": widths, "blocks": blocks},
            "decoder": {"name": "residual", "widths": widths, "blocks": blocks},
            "likelihood": "discretised-gaussian",
        },
        "objective": {"name": "elbo", "warmup_steps": 200},
        "training": {"epochs": 100, "batch_size": 64, "patience": 20},
    }


def _inpainting(form: Preprocessing) -> Settings:
    """A U-Net over surfaces through what is given, told noise levels; all kinds of masks."""
    stages = _stages(form.event_shape)
    encoder = {"name": "residual", "widths": [24, 48, 64, 64][:stages], "blocks": [1] * stages}
    # A narrow network sees more of large pictures in the same minutes; large batches are worth more than many steps.
    widths = [48, 96, 128] if min(form.event_shape[1:]) < 64 else [32, 64, 96]
    widths, blocks = [*widths, 128][:stages], [1] * (stages - 1) + [2]
    decoder = {"name": "unet", "widths": widths, "blocks": blocks, "dense": 64}
    return {
        "model": {
            "kind": "masked",
            "latent_dim": 64,
            "posterior": "residual-gaussian",
            "encoder": encoder,
            "decoder": decoder,
            "likelihood": {"name": "discretised-gaussian", "scale": "predicted"},
        },
        "objective": {"name": "elbo", "warmup_steps": 200},
        "training": {
            "epochs": 200,
            "batch_size": 64,
            "patience": 40,
            "optimizer": "muon",
            "masks": MASKS_OF_ALL_KINDS,
            "noise": 0.3,
        },
    }


def _photographs(form: Preprocessing) -> Settings:
    """As inpainting; what people have are hundreds of pictures, so that no visit to one is like another."""
    settings = _inpainting(form)
    changes = {"mirror": True, "shift": 0.1, "zoom": 0.15, "turn": 5.0, "contrast": 0.2}
    return {**settings, "training": {**settings["training"], **changes}}


def _ladder(form: Preprocessing) -> Settings:
    """Two groups of latents below the code, at the two coarsest resolutions; a mixture for pixels of many levels."""
    stages = _stages(form.event_shape)
    groups = [0] * max(0, stages - 2) + [1, 1][:stages]
    model: Settings = {"kind": "ladder", "decoder": {"groups": groups, "latents": groups}, "prior": _FLOW}
    if isinstance(form, ImagePreprocessing) and form.binarize == "none":
        model["likelihood"] = "discretised-logistic-mixture"
    return {"model": model, "objective": {"free_bits": 0.5}}


def _stages(shape: Shape) -> int:
    """Returns how often pictures are halved: down to a side of 4 to 8 pixels, unless they are large."""
    side, stages = min(shape[1:]), 1
    while (
        stages < MOST_STAGES and side // 2**stages > 8 and all(length % 2 ** (stages + 1) == 0 for length in shape[1:])
    ):
        stages += 1
    return stages


def _vector(form: Preprocessing) -> Settings:
    return {
        "model": {
            "latent_dim": max(1, min(8, form.event_shape[0] - 1)),
            "encoder": {"name": "dense", "width": 128},
            "decoder": {"name": "dense", "width": 128},
            "likelihood": "gaussian",
        },
        "objective": {"name": "elbo", "warmup_steps": 200},
        "training": {"epochs": 200, "batch_size": 64, "patience": 50},
    }


def _speech(form: Preprocessing) -> Settings:
    """A code of the voice, and latents of 80 ms each, through convolutions and recurrent layers."""
    network = {"name": "conv-gru", "width": 320, "blocks": 2, "stride": 8}
    return {
        "model": {
            "kind": "sequence",
            "latent_dim": 32,
            "frame_dim": 128,
            "encoder": network,
            "decoder": network,
            "prior": _FLOW,  # voices are few: between them a normal prior would draw voices of nobody
            "frame_prior": {"name": "recurrent", "width": 256},
            "likelihood": "gaussian",
        },
        "objective": "elbo",  # without warm-up, which would spoil the start from principal components
        "training": {
            "epochs": 60,
            "patience": 20,
            "learning_rate": 5e-4,
            "batch_size": 32,
            "gradient_clip": 2000.0,
            "weight_average": 0.99,
            "speed_perturbation": 0.12,
            "prior_steps": 800,
        },
    }


def _words(form: Preprocessing) -> Settings:
    """Half the latents a group: a prior learns fewer more easily, but with many fewer voices come back whispered."""
    settings = _speech(form)
    return {
        **settings,
        "model": {**settings["model"], "frame_dim": 64},
        "training": {**settings["training"], "epochs": 20, "prior_steps": 3000},
    }


def _speech_power(form: Preprocessing) -> Settings:
    """The same on power spectra."""
    settings = _speech(form)
    networks = {"encoder": {**settings["model"]["encoder"], "logarithm": True}, "likelihood": "itakura-saito"}
    return {**settings, "model": {**settings["model"], **networks}}


register_preset(
    Preset(
        "mnist",
        "image",
        "dynamically binarised 28x28 digits, small residual convolutions, flow prior",
        "Kingma and Welling, 2014, arXiv:1312.6114; binarisation: Burda et al., 2016, arXiv:1509.00519; prior: Chen et "
        "al., 2017, arXiv:1611.02731",
        _mnist,
        {"binarize": "dynamic", "validation_fraction": 0.05},
    )
)
register_preset(
    Preset(
        "image",
        "image",
        "8-bit pictures of any size, residual convolutions, learned sigma",
        "Kingma and Welling, 2014, arXiv:1312.6114; sigma: Rybkin et al., 2021, arXiv:2006.13202",
        _image,
    )
)
register_preset(
    Preset(
        "inpainting",
        "image",
        "8-bit pictures of which any part is given, with or without noise: to fill in and to restore",
        "Ivanov, Figurnov and Vetrov, 2019, arXiv:1806.02382; U-Net: Ronneberger, Fischer and Brox, 2015, "
        "arXiv:1505.04597",
        _inpainting,
    )
)
register_preset(
    Preset("vector", "vector", "rows of numbers, dense networks", "Kingma and Welling, 2014, arXiv:1312.6114", _vector)
)
register_preset(
    Preset(
        "speech",
        "speech",
        "recordings as log-mel spectrograms, latents of the utterance and of frame groups",
        "Hsu, Zhang and Glass, 2017, arXiv:1709.07902; prior of frames: Chung et al., 2015, arXiv:1506.02216",
        _speech,
        {"feature": "log-mel"},
    )
)
register_preset(
    Preset(
        "words",
        "speech",
        "as speech, for short words: fewer latents of frame groups, and priors that make better new words",
        "Hsu, Zhang and Glass, 2017, arXiv:1709.07902; prior of frames: Chung et al., 2015, arXiv:1506.02216",
        _words,
        {"feature": "log-mel"},
    )
)
register_preset(
    Preset(
        "speech-power",
        "speech",
        "recordings as power spectra, Itakura-Saito likelihood",
        "Girin et al., 2021, arXiv:2008.12595; likelihood: Fevotte, Bertin and Durrieu, 2009, Neural Computation 21",
        _speech_power,
        {"feature": "power"},
    )
)


for _side in (32, 64):
    register_preset(
        Preset(
            f"image-{_side}",
            "image",
            f"photographs of any size at {_side}x{_side}: to generate, to explore, to fill in and to restore",
            "Ivanov, Figurnov and Vetrov, 2019, arXiv:1806.02382; U-Net: Ronneberger, Fischer and Brox, 2015, "
            "arXiv:1505.04597",
            _photographs,
            {"size": _side},
        )
    )


def _register_variation(name: str, description: str, paper: str, settings: Settings) -> None:
    """Adds a preset of pictures that differs from the plain one for the data in a part or two."""
    register_preset(Preset(name, "image", description, paper, lambda form: settings, variation=True))


_STANDARD: Settings = {"prior": "standard-normal"}
_register_variation(
    "vae",
    "pictures of any kind, standard normal prior",
    "Kingma and Welling, 2014, arXiv:1312.6114",
    {"model": _STANDARD},
)
_register_variation(
    "iwae",
    "as vae, but trained by the importance-weighted bound of 5 samples",
    "Burda, Grosse and Salakhutdinov, 2016, arXiv:1509.00519; gradient: Tucker et al., 2019, arXiv:1810.04152",
    {"model": _STANDARD, "objective": {"name": "iwae", "n_samples": 5}},
)
_register_variation(
    "vamp",
    "as vae, but the prior is a mixture of the posteriors of learned pseudo-inputs",
    "Tomczak and Welling, 2018, arXiv:1705.07120",
    {"model": {"prior": "vamp"}},
)
_register_variation(
    "flow-prior",
    "as vae, but the prior is a normalising flow",
    "Chen et al., 2017, arXiv:1611.02731; flow: Papamakarios, Pavlakou and Murray, 2017, arXiv:1705.07057",
    {"model": {"prior": _FLOW}},
)
register_preset(
    Preset(
        "ladder",
        "image",
        "as flow-prior, but with groups of latents at two resolutions below the code, and a mixture for 8-bit pixels",
        "Sonderby et al., 2016, arXiv:1602.02282; shared path: Kingma et al., 2016, arXiv:1606.04934; Child, 2021, "
        "arXiv:2011.10650; mixture: Salimans et al., 2017, arXiv:1701.05517",
        _ladder,
        variation=True,
    )
)
# The code is dear at first: what the class says, it need not say too.
_register_variation(
    "conditional",
    "pictures with labels, all or some of them known: a class beside the code",
    "Kingma et al., 2014, arXiv:1406.5298; straight-through classes: Jang, Gu and Poole, 2017, arXiv:1611.01144",
    {
        "model": {"kind": "conditional"},
        "objective": {"warmup_steps": 800, "warmup_start": 30.0, "label_weight": 100.0},
    },
)


def get_preset(name: str) -> Preset:
    """Returns a preset.

    Raises:
        OptionError: there is none of that name; the nearest is named.
    """
    if name not in PRESETS:
        raise OptionError(f"Unknown preset '{name}': {nearest(name, PRESETS)}")
    return PRESETS[name]


def default_preset(source: Source) -> str:
    """Returns the name of the preset that suits the data: that for photographs for people's own in colour."""
    survey = source.survey() if isinstance(source, FileSource) and source.kind == "image" else None
    side = None if survey is None or survey.channels == 1 else photograph_side(min(survey.median))
    return plain_preset(source) if side is None else f"image-{side}"


def plain_preset(source: Source) -> str:
    """Returns the name of the preset that variations are laid over."""
    if source.name == "mnist":  # by its name alone, so that nothing is read or downloaded to answer
        return "mnist"
    if source.name == "spoken-digits":
        return "words"
    return source.kind


def resolve(source: Source, preset: str | None, settings: Mapping[str, Any]) -> tuple[Config, Preprocessing]:
    """Makes the whole configuration: defaults, then the preset, then what the person set.

    Args:
        source: the data.
        preset: name of a preset; None chooses by the data.
        settings: nested settings.

    Raises:
        OptionError: an unknown preset, key or value, or a preset for other data.
    """
    chosen = get_preset(preset or default_preset(source))
    if chosen.kind != source.kind:
        fitting = ", ".join(name for name in PRESETS if PRESETS[name].kind == source.kind)
        raise OptionError(
            f"The preset '{chosen.name}' is for {NOUNS[chosen.kind]}, but {source.name} holds {NOUNS[source.kind]}; "
            f"take one of: {fitting}."
        )
    layers = [get_preset(plain_preset(source)), chosen] if chosen.variation else [chosen]
    base = Config().with_settings({"preset": chosen.name})
    for layer in layers:
        base = base.with_settings({"data": dict(layer.data)})
    preprocessing = choose_preprocessing(source, base.with_settings(_only(settings, "data")).data)
    for layer in layers:
        base = base.with_settings(layer.settings(preprocessing), f"the preset '{layer.name}'")
    return base.with_settings(settings), preprocessing


def _only(settings: Mapping[str, Any], key: str) -> Settings:
    return {key: settings[key]} if key in settings else {}
