"""The perpetuals that the simulated venue lists.

Figures are of the size one meets on a real venue, rounded and invented.
"""

import math
from dataclasses import dataclass, replace
from enum import IntEnum

from virtuoso.simulator.numbers import padded, parsed, trimmed


class Sector(IntEnum):
    """What a coin moves with, besides the whole market."""

    MAJOR = 0
    PLATFORM = 1
    FINANCE = 2
    MEME = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One perpetual: how it is quoted, and how it behaves.

    Prices are counted in ticks and quantities in steps, whole numbers both, so that sums agree
    to the last digit. Money is counted in ticks times steps.
    """

    symbol: str
    price: float
    """About where it trades, in USDT."""
    price_scale: int
    tick_units: int
    """The tick, in units of the last decimal that is written."""
    quantity_scale: int
    step_units: int
    volatility: float
    """Standard deviation of a one minute return, as a fraction, in ordinary times."""
    market_load: float
    """Correlation of its returns with the market's."""
    sector: Sector
    daily_turnover: float
    """USDT."""
    orders_per_second: float
    gap_ticks: int
    """Mean distance between two levels of the book."""
    spread_ticks: int
    funding_hours: int
    funding_cap: float
    long_share: float
    """The usual share of accounts that are long."""
    max_leverage: int
    launched: int
    """Milliseconds UTC."""
    quote_chance: float = 0.25
    """How often makers move in a tenth of a second in which nobody took."""
    synthetic: bool = False
    """Whether no coin of that name exists anywhere."""

    @property
    def base_coin(self) -> str:
        """The coin it is written on."""
        return self.symbol.removesuffix("USDT")

    @property
    def tick(self) -> float:
        """The smallest price change, in USDT."""
        return float(self.tick_units / 10**self.price_scale)

    @property
    def step(self) -> float:
        """The smallest quantity, in coins."""
        return float(self.step_units / 10**self.quantity_scale)

    @property
    def money_scale(self) -> int:
        """Decimals of a price times a quantity."""
        return self.price_scale + self.quantity_scale

    @property
    def money_units(self) -> int:
        """One tick times one step, in units of `10**-money_scale` USDT."""
        return self.tick_units * self.step_units

    def price_text(self, ticks: int) -> str:
        """Write a price with all its decimals, as the stream does."""
        return padded(ticks * self.tick_units, self.price_scale)

    def price_trimmed(self, ticks: int) -> str:
        """Write a price without closing zeros, as candles and the REST book do."""
        return trimmed(ticks * self.tick_units, self.price_scale)

    def quantity_text(self, steps: int) -> str:
        """Write a quantity with all its decimals."""
        return padded(steps * self.step_units, self.quantity_scale)

    def quantity_trimmed(self, steps: int) -> str:
        """Write a quantity without closing zeros."""
        return trimmed(steps * self.step_units, self.quantity_scale)

    def money_trimmed(self, amount: int) -> str:
        """Write an amount of ticks times steps in USDT, every digit of it."""
        return trimmed(amount * self.money_units, self.money_scale)


_YEAR = 31_557_600_000


def _listing(
    symbol: str,
    price: float,
    tick: str,
    step: str,
    behaviour: tuple[float, float, Sector],
    activity: tuple[float, float],
    *,
    gap_ticks: int = 1,
    spread_ticks: int = 1,
    funding_hours: int = 8,
    funding_cap: float = 0.01,
    long_share: float = 0.66,
    max_leverage: int = 50,
    launched: float = 2022.5,
) -> Listing:
    tick_units, price_scale = parsed(tick)
    step_units, quantity_scale = parsed(step)
    basis_points, market_load, sector = behaviour
    millions_a_day, orders_per_second = activity
    return Listing(
        symbol=symbol,
        price=price,
        price_scale=price_scale,
        tick_units=tick_units,
        quantity_scale=quantity_scale,
        step_units=step_units,
        volatility=basis_points * 1e-4,
        market_load=market_load,
        sector=sector,
        daily_turnover=millions_a_day * 1e6,
        orders_per_second=orders_per_second,
        gap_ticks=gap_ticks,
        spread_ticks=spread_ticks,
        funding_hours=funding_hours,
        funding_cap=funding_cap,
        long_share=long_share,
        max_leverage=max_leverage,
        launched=int((launched - 1970) * _YEAR),
    )


_MAJOR, _PLATFORM, _FINANCE, _MEME = Sector

LISTINGS = (
    _listing(
        "BTCUSDT",
        96_500.0,
        "0.10",
        "0.001",
        (4.4, 0.95, _MAJOR),
        (5600, 5.0),
        gap_ticks=2,
        funding_cap=0.005,
        long_share=0.57,
        max_leverage=100,
        launched=2020.2,
    ),
    _listing(
        "ETHUSDT",
        3_320.0,
        "0.01",
        "0.01",
        (6.0, 0.88, _MAJOR),
        (3400, 4.2),
        gap_ticks=3,
        funding_cap=0.005,
        long_share=0.61,
        max_leverage=100,
        launched=2021.2,
    ),
    _listing(
        "SOLUSDT",
        187.0,
        "0.010",
        "0.1",
        (6.8, 0.82, _PLATFORM),
        (1250, 3.8),
        long_share=0.69,
        max_leverage=100,
        launched=2021.8,
    ),
    _listing("XRPUSDT", 2.41, "0.0001", "0.1", (6.6, 0.76, _MAJOR), (720, 3.4), max_leverage=75),
    _listing("DOGEUSDT", 0.2134, "0.00001", "1", (7.8, 0.78, _MEME), (430, 3.2), max_leverage=75),
    _listing("BNBUSDT", 688.0, "0.10", "0.01", (4.8, 0.74, _MAJOR), (210, 2.6), long_share=0.6),
    _listing("SUIUSDT", 3.12, "0.00010", "10", (9.2, 0.72, _PLATFORM), (240, 2.8), launched=2023.3),
    _listing(
        "1000PEPEUSDT",
        0.013_42,
        "0.0000010",
        "100",
        (10.5, 0.72, _MEME),
        (310, 3.0),
        gap_ticks=2,
        funding_hours=4,
        launched=2023.35,
    ),
    _listing("ADAUSDT", 0.7714, "0.0001", "1", (8.0, 0.78, _PLATFORM), (125, 2.5), launched=2021.1),
    _listing("AVAXUSDT", 31.4, "0.001", "0.1", (8.2, 0.77, _PLATFORM), (92, 2.4), gap_ticks=3),
    _listing("LINKUSDT", 18.62, "0.001", "0.1", (8.0, 0.75, _FINANCE), (118, 2.5), gap_ticks=2),
    _listing("LTCUSDT", 104.3, "0.01", "0.1", (6.8, 0.7, _MAJOR), (78, 2.3), launched=2021.1),
    _listing("BCHUSDT", 431.0, "0.05", "0.01", (7.0, 0.68, _MAJOR), (54, 2.1), launched=2021.1),
    _listing("DOTUSDT", 6.083, "0.0001", "0.1", (8.0, 0.77, _PLATFORM), (61, 2.2), gap_ticks=6),
    _listing("TRXUSDT", 0.2581, "0.00001", "1", (3.8, 0.55, _MAJOR), (42, 2.0), gap_ticks=2),
    _listing("NEARUSDT", 4.867, "0.0001", "0.1", (9.0, 0.76, _PLATFORM), (58, 2.1), gap_ticks=6),
    _listing(
        "APTUSDT",
        8.61,
        "0.0005",
        "0.01",
        (8.8, 0.74, _PLATFORM),
        (47, 2.0),
        gap_ticks=3,
        funding_hours=4,
    ),
    _listing(
        "ARBUSDT", 0.6218, "0.0001", "0.1", (9.0, 0.77, _PLATFORM), (66, 2.2), funding_hours=4
    ),
    _listing(
        "OPUSDT",
        1.463,
        "0.0001",
        "0.1",
        (9.2, 0.76, _PLATFORM),
        (52, 2.1),
        gap_ticks=2,
        funding_hours=4,
    ),
    _listing("INJUSDT", 19.38, "0.001", "0.1", (9.8, 0.71, _FINANCE), (33, 2.0), gap_ticks=3),
    _listing("ATOMUSDT", 6.412, "0.001", "0.1", (7.6, 0.74, _PLATFORM), (32, 2.0), spread_ticks=2),
    _listing("UNIUSDT", 10.27, "0.001", "0.1", (8.8, 0.72, _FINANCE), (48, 2.1), gap_ticks=2),
    _listing("AAVEUSDT", 263.5, "0.01", "0.01", (8.8, 0.72, _FINANCE), (63, 2.2), gap_ticks=4),
    _listing("FILUSDT", 4.583, "0.001", "0.1", (8.2, 0.75, _PLATFORM), (31, 2.0), spread_ticks=1),
    _listing("ETCUSDT", 25.94, "0.001", "0.1", (7.4, 0.72, _MAJOR), (28, 2.0), gap_ticks=3),
    _listing(
        "WIFUSDT",
        1.342,
        "0.0001",
        "1",
        (12.0, 0.68, _MEME),
        (84, 2.3),
        gap_ticks=2,
        funding_hours=4,
        funding_cap=0.02,
        launched=2024.05,
    ),
    _listing(
        "1000BONKUSDT",
        0.026_31,
        "0.000010",
        "10",
        (11.0, 0.7, _MEME),
        (57, 2.1),
        funding_hours=4,
        funding_cap=0.02,
        launched=2023.9,
    ),
    _listing(
        "ENAUSDT",
        0.7352,
        "0.0001",
        "1",
        (11.5, 0.7, _FINANCE),
        (96, 2.4),
        funding_hours=4,
        funding_cap=0.02,
        launched=2024.25,
    ),
    _listing("FETUSDT", 1.214, "0.0001", "1", (10.0, 0.7, _PLATFORM), (44, 2.0), gap_ticks=2),
    _listing(
        "HYPEUSDT",
        24.36,
        "0.001",
        "0.01",
        (10.0, 0.58, _FINANCE),
        (260, 2.9),
        gap_ticks=3,
        spread_ticks=2,
        funding_hours=1,
        funding_cap=0.02,
        launched=2024.95,
    ),
    _listing(
        "SHIB1000USDT",
        0.021_53,
        "0.000005",
        "10",
        (8.5, 0.76, _MEME),
        (44, 2.0),
        launched=2021.4,
    ),
    _listing(
        "10000SATSUSDT",
        0.001_612,
        "0.0000001",
        "100",
        (11.0, 0.7, _MEME),
        (9, 1.2),
        gap_ticks=2,
        funding_hours=4,
        launched=2023.95,
    ),
)
"""Most traded first. A venue with fewer symbols lists the first of them."""

_SYNTHETIC_TICKS = 10_000
"""About how many ticks a synthetic coin's price has."""


def synthetic(number: int) -> Listing:
    """Make a coin that exists nowhere, number 33 or so and up; the higher, the quieter.

    Its name begins with SYN, and both venues' listings say that it is synthetic.
    """
    rank = number / len(LISTINGS)
    # the golden ratio spreads any row of numbers evenly
    spread = number * 0.618_033_988_75 % 1.0
    price = 10.0 ** (2.5 - 5.0 * spread)
    decimals = max(0, math.ceil(math.log10(_SYNTHETIC_TICKS / price)))
    step_decimals = max(0, math.ceil(math.log10(price)) - 1)
    return replace(
        _listing(
            f"SYN{number:03d}USDT",
            float(f"{price:.4g}"),
            f"{10.0**-decimals:.{decimals}f}",
            f"{10.0**-step_decimals:.{step_decimals}f}",
            (9.0 + 4.0 * spread, 0.72, list(Sector)[number % len(Sector)]),
            (8.0 / rank**1.3, 1.0 / rank**1.2),
            gap_ticks=2,
            funding_hours=4,
            funding_cap=0.02,
            launched=2024.0 + spread,
        ),
        quote_chance=0.25 / rank,
        synthetic=True,
    )


def listings_of(count: int) -> tuple[Listing, ...]:
    """Return the first `count` listings: known names, then synthetic ones."""
    return LISTINGS[:count] + tuple(map(synthetic, range(len(LISTINGS), count)))
