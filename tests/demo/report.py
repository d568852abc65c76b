"""What was measured, held against what it must be, as one table."""

import statistics
from dataclasses import dataclass, field


@dataclass
class Row:
    what: str
    measured: str
    wanted: str
    ok: bool


@dataclass
class Report:
    rows: list[Row] = field(default_factory=list)

    def must_be(self, what: str, measured, wanted) -> None:
        self.rows.append(Row(what, show(measured), show(wanted), measured == wanted))

    def at_least(self, what: str, measured: float, least: float, unit: str) -> None:
        self.rows.append(Row(what, f"{show(measured)} {unit}", f"≥ {show(least)} {unit}",
                             measured >= least))

    def at_most(self, what: str, measured: float, most: float, unit: str) -> None:
        self.rows.append(Row(what, f"{show(measured)} {unit}", f"≤ {show(most)} {unit}",
                             measured <= most))

    def note(self, what: str, measured: str) -> None:
        self.rows.append(Row(what, measured, "", True))

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)

    def print(self) -> None:
        titles = Row("MEASURED", "VALUE", "MUST BE", True)
        widths = [max(len(getattr(row, name)) for row in (titles, *self.rows))
                  for name in ("what", "measured", "wanted")]
        print()
        for row in (titles, *self.rows):
            cells = f"{row.what:{widths[0]}}  {row.measured:>{widths[1]}}  {row.wanted:{widths[2]}}"
            print(f"{cells}  {'' if row.ok else 'WRONG'}".rstrip())
        print()


def show(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
