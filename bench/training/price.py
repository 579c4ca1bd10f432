"""What an hour of the machine costs, and what trainings cost by it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from flowers_core.errors import InputError

EXAMPLE = "1.20USD/h"


@dataclass(frozen=True, kw_only=True)
class Price:
    """A price an hour.

    Attributes:
        amount: How much.
        currency: Of what, three letters (ISO 4217).
    """

    amount: float
    currency: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `1.20USD/h`.

        Raises:
            InputError: If there is no currency, no hour or no amount.
        """
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Z]{3}) ?/ ?h", text.strip())
        if not found or not float(found[1]):
            raise InputError(f"A price must have an amount, a currency and `/h`, such as {EXAMPLE}. Received: {text!r}")
        return cls(amount=float(found[1]), currency=found[2])

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self | None:
        """Reads what `to_json` gave; None where there is none."""
        known = "amount" in values and "currency" in values
        return cls(amount=values["amount"], currency=values["currency"]) if known else None

    def to_json(self) -> dict[str, float | str]:
        """Plain values."""
        return {"amount": self.amount, "currency": self.currency}

    def of(self, seconds: float) -> float:
        """What so many seconds cost."""
        return self.amount * seconds / 3600

    def __str__(self) -> str:
        return f"{self.amount:g} {self.currency}/h"
