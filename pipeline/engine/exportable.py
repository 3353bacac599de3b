"""Whether a system can be exported at all: asked without loading what an export needs."""

from __future__ import annotations

from pipeline.flow import OutboundSettings, SystemPlugin
from pipeline.ports import Catalogue, Offers
from pipeline.texts import T, Text


def unable_of(plugin: SystemPlugin, name: str, settings: OutboundSettings) -> tuple[Text, Text] | None:
    """Why no system of this plugin can be exported, and what to do; None where one can, or none is known."""
    if plugin.exports:
        return None
    found = [unable(one, name, settings) for one in plugin.classes()]
    # where the settings choose between several, one that can is enough to say nothing here
    return found[0] if found and all(found) else None


def unable(system: type, name: str, settings: OutboundSettings) -> tuple[Text, Text] | None:
    """Why a system of this class cannot be exported, and what to do; None where it can."""
    if issubclass(system, Catalogue):
        return None
    if not issubclass(system, Offers):
        return (
            T("The system {name} tells no products: there is nothing to export.", name=name),
            T("Export from a system that can tell its products; mistok plugins tells what each can do."),
        )
    if settings.images is not None:
        return (
            T("{name} tells the addresses of its images; there are no files to send.", name=name),
            T("Take `images` out of the step: the file names the addresses themselves."),
        )
    return None
