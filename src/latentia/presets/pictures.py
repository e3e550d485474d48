"""Presets of pictures."""

from __future__ import annotations

from latentia.data import ImagePreprocessing, Preprocessing
from latentia.presets.base import FLOW, Preset, Settings, register_preset

Shape = tuple[int, ...]
MOST_STAGES = 4  # so that large pictures, too, are seen at a side of 16 pixels or so
# Small gaps come more often than large ones: what a model learns from them grows for longer.
MASKS_OF_ALL_KINDS: list[str | Settings] = [
    *("scattered", "blocks", "centre", "half", "rectangles", "strokes", "nothing", "everything"),
    *2 * ["scratches"],
    {"name": "scattered", "least": 0.0, "most": 0.5},
    {"name": "scattered", "least": 0.4, "most": 0.9},
    *2 * [{"name": "scattered", "least": 0.7, "most": 0.95}],
]


def _mnist(form: Preprocessing) -> Settings:
    """Small convolutions for what is local, one wide dense block for what is not, and a prior that fits the code."""
    stages = _stages(form.event_shape)
    sizes = {"name": "residual", "widths": [16, 48, 64, 64][:stages], "blocks": [1] * stages}
    return {
        "model": {
            "latent_dim": 40,
            "encoder": sizes,
            "decoder": {**sizes, "dense": 512},
            "prior": FLOW,
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
    dense = 64 if min(form.event_shape[1:]) < 64 else 32
    decoder = {"name": "unet", "widths": widths, "blocks": blocks, "dense": dense}
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
    changes = {"mirror": True, "shift": 0.1, "zoom": 0.15, "turn": 8.0, "contrast": 0.3}
    return {**settings, "training": {**settings["training"], **changes}}


def _ladder(form: Preprocessing) -> Settings:
    """Two groups of latents below the code, at the two coarsest resolutions; a mixture for pixels of many levels."""
    stages = _stages(form.event_shape)
    groups = [0] * max(0, stages - 2) + [1, 1][:stages]
    model: Settings = {"kind": "ladder", "decoder": {"groups": groups, "latents": groups}, "prior": FLOW}
    settings: Settings = {"model": model, "objective": {"free_bits": 0.5}}
    if isinstance(form, ImagePreprocessing) and form.binarize == "none":
        model["likelihood"] = "discretised-logistic-mixture"
    else:  # with .01 digits are learned by heart within a quarter of an hour
        settings["training"] = {"weight_decay": 0.15}
    return settings


def _stages(shape: Shape) -> int:
    """Returns how often pictures are halved: down to a side of 4 to 8 pixels, unless they are large."""
    side, stages = min(shape[1:]), 1
    while (
        stages < MOST_STAGES and side // 2**stages > 8 and all(length % 2 ** (stages + 1) == 0 for length in shape[1:])
    ):
        stages += 1
    return stages


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
    {"model": {"prior": FLOW}},
)
register_preset(
    Preset(
        "ladder",
        "image",
        "as flow-prior, but with groups of latents at two resolutions below the code; a mixture for 8-bit pixels, "
        "stronger weight decay for binary ones",
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
