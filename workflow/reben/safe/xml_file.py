"""XML of products, which comes from outside: bounded, without entities, no node silently absent."""

import os
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeElementTree

from reben.runtime.errors import ProductError

#: Real ones have some 500 kB; parsed, XML takes many times its size.
_MAX_BYTES = 16 * 2**20


class Metadata:
    """One XML file of a product, looked up by local tag name (namespaces vary by baseline)."""

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
            # Also an encoding that the parser does not know.
            raise ProductError(f"{path}: is no XML ({error}); fetch the product again") from error

    def find(self, *tags: str) -> list[Element]:
        """All elements of these local names, in document order."""
        return [e for e in self.root.iter() if e.tag.rpartition("}")[2] in tags]

    def text(self, *tags: str) -> str:
        """The text of the first element that has one of the names.

        Raises:
            ProductError: there is no such element, or it is empty.
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
        """The text of such an element as a number.

        Raises:
            ProductError: it is absent or no number.
        """
        text = self.text(*tags)
        try:
            return float(text)
        except ValueError as error:
            raise ProductError(
                f"{self.path}: <{tags[0]}> is {text!r}, expected a number"
            ) from error
