"""Product XML, which is untrusted: limited size, no entities, no silently missing nodes."""

import math
import os
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeElementTree

from reben.runtime.errors import ProductError

#: Real files have about 500 kB; parsed XML takes many times its size.
_MAX_BYTES = 16 * 2**20


class Metadata:
    """An XML file of a product, queried by local tag name (namespaces vary by baseline)."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            if (size := self.path.stat().st_size) > _MAX_BYTES:
                raise ProductError(
                    f"{path}: refused: expected at most {_MAX_BYTES} bytes of XML, found {size}"
                )
            self.root: Element = SafeElementTree.parse(self.path).getroot()
        except FileNotFoundError as error:
            raise ProductError(
                f"{path}: expected in every product, found none; fetch the product again"
            ) from error
        except DefusedXmlException as error:
            raise ProductError(
                f"{path}: refused: it defines XML entities, which products never do ({error!r})"
            ) from error
        except (SafeElementTree.ParseError, ValueError, LookupError) as error:
            # Also for an encoding that the parser does not know.
            raise ProductError(f"{path}: is not XML ({error}); fetch the product again") from error

    def find(self, *tags: str) -> list[Element]:
        """All elements with these local names, in document order."""
        return [e for e in self.root.iter() if e.tag.rpartition("}")[2] in tags]

    def text(self, *tags: str) -> str:
        """The text of the first element with one of the names.

        Raises:
            ProductError: the element is missing or empty.
        """
        for tag in tags:
            for element in self.find(tag):
                if element.text and (text := element.text.strip()):
                    return text
        raise ProductError(
            f"{self.path}: expected a node <{'> or <'.join(tags)}> with text, found none; "
            "the product is incomplete or of an unknown baseline"
        )

    def number(self, *tags: str) -> float:
        """The text of the element as a number.

        Raises:
            ProductError: it is missing or not a number.
        """
        text = self.text(*tags)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ProductError(f"{self.path}: <{tags[0]}> is {text!r}, expected a number")
        return value
