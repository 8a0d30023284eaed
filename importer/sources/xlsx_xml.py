"""Walk: an XML part read event by event, for the parts that a search for bytes cannot read. Refuses every DTD."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from xml.parsers import expat

from importer.core.errors import FileRefused
from importer.core.findings import finding
from importer.sources.xlsx_package import damaged

Attributes = dict[str, str]


def walk(
    blocks: Iterable[bytes],
    start: Callable[[str, Attributes], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    """Calls back for each element, its prefix removed, attributes' prefixes too. Raises FileRefused: a DTD, bad XML."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_dtd
    parser.StartElementHandler = lambda name, attributes: start(local(name), _local_attributes(attributes))
    if end is not None:
        close = end
        parser.EndElementHandler = lambda name: close(local(name))
    if text is not None:
        parser.CharacterDataHandler = text
    try:
        for block in blocks:
            parser.Parse(block, False)
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise damaged("one of its parts is not well-formed XML") from error


def refuse_dtd(blocks: Iterable[bytes]) -> None:
    """Raises FileRefused where a DTD stands above the root element, no byte below which is read. Bad XML is none of its business."""
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_dtd
    begun: list[str] = []
    parser.StartElementHandler = lambda name, _: begun.append(name)
    with suppress(expat.ExpatError, LookupError, ValueError):
        for block in blocks:
            parser.Parse(block, False)
            if begun:
                return


def local(name: str) -> str:
    """`x:row` without its prefix."""
    return name.rpartition(":")[2]


def _local_attributes(attributes: Attributes) -> Attributes:
    if not any(":" in name for name in attributes):
        return attributes
    # `r:id` must not hide a plain `id`, nor `x14ac:s` a plain `s`.
    plain = {local(name): value for name, value in attributes.items() if ":" in name}
    return plain | {name: value for name, value in attributes.items() if ":" not in name}


def _refuse_dtd(*_: object) -> None:
    raise FileRefused(finding("F108"))
