// The columns of the board after the pinned ones, in their order.

import type { SortKey } from "../feed/order"
import { COMPONENT_ORDER } from "../wire/types"
import { LONG, SHORT } from "../ui/words"

export interface Column {
  readonly key: SortKey
  readonly title: string
  readonly unit?: string
  readonly tip: string
  readonly left?: boolean
  readonly centre?: boolean
}

export const PINNED: readonly Column[] = [
  { key: "symbol", title: "Symbol", tip: "Name at the venue", left: true },
  { key: "score", title: "Score", tip: "Pressure of six views, 0 to 100; 50 is none" },
]

export const COLUMNS: readonly Column[] = [
  { key: "live", title: "live", tip: "The score if every forming candle closed now" },
  { key: "delta", title: "Δ1h", tip: "Change of the score in one hour, points" },
  { key: "direction", title: "Direction", tip: "Which way the score points", left: true },
  { key: "confidence", title: "Conf", tip: "How much of the score to believe, 0 to 100" },
  ...COMPONENT_ORDER.map((name) => ({ key: name, title: SHORT[name], tip: LONG[name], centre: true })),
  { key: "price", title: "Price", tip: "Last price at the venue" },
  { key: "age", title: "Age", tip: "Age of the price" },
  { key: "change", title: "24h", unit: "%", tip: "Change of the price in 24 hours, percent" },
  { key: "turnover", title: "Volume", unit: "24h", tip: "Turnover of 24 hours in quote currency" },
  { key: "funding", title: "Funding", unit: "% 8h", tip: "The coming rate converted to 8 hours, percent" },
  { key: "oi", title: "OIΔ", unit: "% 1h", tip: "Change of the open interest in one hour, percent of contracts" },
]
