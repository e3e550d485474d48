"""The meaning of each figure, in a sentence for people."""

from __future__ import annotations

import math

from latentia.evaluation.evaluate import Metrics


def explained(metrics: Metrics) -> list[tuple[str, str, str]]:
    """Returns name, value and meaning of each figure."""
    nats, rate = "{:.2f} nats".format, metrics.rate_nats
    rows = [
        ("Bound (ELBO)", nats(metrics.elbo_nats), _MEANING["elbo"]),
        ("Distortion", nats(metrics.distortion_nats), _MEANING["distortion"]),
        ("Rate", nats(rate), _MEANING["rate"].format(bits=rate / math.log(2))),
    ]
    if metrics.active_units is not None:
        rows.append(("Active units", f"{metrics.active_units} of {metrics.latent_dim}", _MEANING["active"]))
    if metrics.bits_per_second is not None:
        rows.append(("Rate in a second", f"{metrics.bits_per_second:.0f} bits", _MEANING["second"]))
    if metrics.bits_per_dim is not None:
        rows.append(("Bits per dimension", f"{metrics.bits_per_dim:.3f}", _MEANING["bits"]))
    if metrics.nll_nats is not None:
        meaning = _MEANING["likelihood"].format(samples=metrics.is_samples)
        rows.append(("Negative log likelihood", nats(metrics.nll_nats), meaning))
    for head, found in metrics.heads.items():
        meaning = _MEANING["recognised"].format(n=found.n_examples, uar=100 * found.uar, ece=100 * found.ece)
        rows.append((f"Recognised {head}", f"{100 * found.accuracy:.1f} %", meaning))
    rows.append(("Examples", str(metrics.n_examples), "What the figures are means over."))
    return rows


_MEANING = {
    "elbo": "Lower bound on the log likelihood of an example: minus the sum of the next two. Higher is better; "
    "it compares models on the same data only.",
    "distortion": "What is left to say about an example once its latents are known: how inexact reconstructions are.",
    "rate": "How much the latents say about an example: {bits:.1f} bits (KL divergence from posterior to prior).",
    "active": "Latents that vary with the data (variance of the posterior mean above 0.01).",
    "second": "How much the latents say about a second of sound; the sound itself has 256 000 at 16 kHz and 16 bits.",
    "bits": "The bound as a code: bits for each pixel and channel. Without any model it would be 8.",
    "likelihood": "A tighter estimate than the bound, from {samples} importance samples for each example. Lower is "
    "better.",
    "recognised": "How often the class that is most probable by the example alone is the true one, of {n} whose class "
    "is known. Each class counting alike: {uar:.1f} % (unweighted average recall). Its probability is off by {ece:.1f} "
    "points on average (expected calibration error).",
}
