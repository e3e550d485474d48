"""Presets of recordings, and of vectors."""

from __future__ import annotations

from latentia.data import Preprocessing
from latentia.presets.base import FLOW, Preset, Settings, register_preset


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
            "prior": FLOW,  # voices are few: between them a normal prior would draw voices of nobody
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
