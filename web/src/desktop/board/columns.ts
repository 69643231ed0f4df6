// The columns of the board: what they are called, how wide they are, which are shown and where.

import type { SortKey } from "../../feed/order"
import { LONG, SHORT } from "../../ui/words"
import { COMPONENT_ORDER } from "../../wire/types"

/** What a reader shows, hides and moves; the six components stay together, in their one order. */
export const COLUMN_IDS = [
  "live", "delta", "direction", "confidence", "components", "trend", "record", "price", "day", "age", "change",
  "turnover", "funding", "oi",
] as const
export type ColumnId = (typeof COLUMN_IDS)[number]

export interface Column {
  readonly key: SortKey
  readonly title: string
  readonly unit?: string
  readonly tip: string
  readonly align: "left" | "right" | "centre"
  /** Least width, pixels, and its share of what is left. */
  readonly width: number
  readonly grow: number
}

/** A header; one that nothing is sorted by has no key. */
export type Header = Omit<Column, "key"> & { readonly key: SortKey | null }

export interface Group {
  readonly id: ColumnId
  /** In the menu of columns. */
  readonly name: string
  readonly headers: readonly Header[]
}

export const PINNED: readonly Column[] = [
  { key: "symbol", title: "Symbol", tip: "Name at the venue", align: "left", width: 0, grow: 0 },
  { key: "score", title: "Score", tip: "Pressure of six views, 0 to 100; 50 is none", align: "right", width: 0, grow: 0 },
]

/** Star, place, symbol, score: pixels. */
export const PINNED_WIDTHS = [28, 30, 122, 142] as const

const one = (id: ColumnId, name: string, header: Header): Group => ({ id, name, headers: [header] })

export const GROUPS: Readonly<Record<ColumnId, Group>> = {
  live: one("live", "Live score", { key: "live", title: "Live", tip: "The score if every forming candle closed now", align: "right", width: 46, grow: 0.4 }),
  delta: one("delta", "Change of score", { key: "delta", title: "Δ1h", tip: "Change of the score in one hour, points", align: "right", width: 50, grow: 0.5 }),
  direction: one("direction", "Direction", { key: "direction", title: "Direction", tip: "Which way the score points", align: "left", width: 84, grow: 0.8 }),
  confidence: one("confidence", "Confidence", { key: "confidence", title: "Conf", tip: "How much of the score to believe, 0 to 100", align: "right", width: 48, grow: 0.4 }),
  components: {
    id: "components", name: "Six components",
    headers: COMPONENT_ORDER.map((name) => ({ key: name, title: SHORT[name], tip: LONG[name], align: "centre", width: 38, grow: 0.25 })),
  },
  trend: one("trend", "Line of score", { key: null, title: "Score, kept", tip: "Scores since the start, at most 6 hours; the middle is 50", align: "centre", width: 84, grow: 0.4 }),
  record: one("record", "Record", { key: null, title: "Record", unit: "1h", tip: "What followed such scores; a dash until it is measured", align: "right", width: 88, grow: 0.4 }),
  price: one("price", "Price", { key: "price", title: "Price", tip: "Last price at the venue, in quote currency", align: "right", width: 92, grow: 1 }),
  day: one("day", "Line of price", { key: null, title: "Price, 24 h", tip: "Closes of the last 48 half-hours", align: "centre", width: 84, grow: 0.4 }),
  age: one("age", "Age of price", { key: "age", title: "Age", tip: "Age of the price", align: "right", width: 50, grow: 0.4 }),
  change: one("change", "Change, 24 h", { key: "change", title: "24h", unit: "%", tip: "Change of the price in 24 hours, percent", align: "right", width: 62, grow: 0.6 }),
  turnover: one("turnover", "Volume", { key: "turnover", title: "Volume", unit: "24h", tip: "Turnover of 24 hours in quote currency", align: "right", width: 80, grow: 0.6 }),
  funding: one("funding", "Funding", { key: "funding", title: "Funding", unit: "% 8h", tip: "The coming rate converted to 8 hours, percent", align: "right", width: 92, grow: 0.6 }),
  oi: one("oi", "Open interest", { key: "oi", title: "OIΔ", unit: "% 1h", tip: "Change of the open interest in one hour, percent of contracts", align: "right", width: 74, grow: 0.5 }),
}

/** What was kept, without what is no column; nothing usable gives the default. */
export function columnsOf(kept: readonly unknown[]): readonly ColumnId[] {
  const found = [...new Set(kept)].filter((id): id is ColumnId => COLUMN_IDS.some((known) => known === id))
  return found.length === 0 ? COLUMN_IDS : found
}

/** One column up (-1) or down (1) among those shown. */
export function moved(columns: readonly ColumnId[], id: ColumnId, by: -1 | 1): readonly ColumnId[] {
  const from = columns.indexOf(id)
  const to = from + by
  if (from < 0 || to < 0 || to >= columns.length) return columns
  const result = columns.filter((each) => each !== id)
  result.splice(to, 0, id)
  return result
}

/** Shown or hidden; a column that is shown again takes its usual place, and one is always left. */
export function toggled(columns: readonly ColumnId[], id: ColumnId): readonly ColumnId[] {
  if (columns.includes(id)) return columns.length === 1 ? columns : columns.filter((each) => each !== id)
  const usual = COLUMN_IDS.indexOf(id)
  const next = columns.findIndex((each) => COLUMN_IDS.indexOf(each) > usual)
  return next < 0 ? [...columns, id] : [...columns.slice(0, next), id, ...columns.slice(next)]
}

/** `grid-template-columns` of the row, and the least width of it all in pixels. */
export function template(columns: readonly ColumnId[]): readonly [string, number] {
  const pinned = PINNED_WIDTHS.reduce((sum: number, width) => sum + width, 0)
  const headers = columns.flatMap((id) => GROUPS[id].headers)
  const tracks = headers.map(({ width, grow }) => `minmax(${width}px,${grow}fr)`)
  return [[`${pinned}px`, ...tracks].join(" "), headers.reduce((sum, { width }) => sum + width, pinned)]
}
