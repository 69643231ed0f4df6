// Which rows are shown, and in which order.

import { type Direction, type ScoreRow, ScoreRowColumn as C } from "../wire/types"

export interface Listed {
  readonly symbol: string
  readonly data: ScoreRow
}

export type SortKey =
  | "symbol" | "score" | "live" | "delta" | "direction" | "confidence"
  | "orderbook" | "orderflow" | "technical" | "volume" | "sentiment" | "price_structure"
  | "price" | "age" | "change" | "turnover" | "funding" | "oi"

export interface Sort {
  readonly key: SortKey
  readonly descending: boolean
}

export const DEFAULT_SORT: readonly Sort[] = [{ key: "score", descending: true }]

const SIDES: Readonly<Record<Direction, number>> = { Bullish: 1, Neutral: 0, Bearish: -1 }

const COLUMNS: Readonly<Partial<Record<SortKey, number>>> = {
  score: C.score, live: C.live_score, delta: C.score_change_1h, confidence: C.confidence, price: C.price,
  age: C.price_as_of, change: C.change_24h, turnover: C.volume_24h, funding: C.funding, oi: C.oi_change_1h,
}

const COMPONENTS: readonly SortKey[] = ["orderbook", "orderflow", "technical", "volume", "sentiment", "price_structure"]

/** What a row is sorted by; null sorts last either way. */
export function sortValue(row: Listed, key: SortKey): number | string | null {
  if (key === "symbol") return row.symbol
  if (key === "direction") {
    const direction = row.data[C.direction]
    return direction === null ? null : SIDES[direction]
  }
  const component = COMPONENTS.indexOf(key)
  if (component >= 0) return row.data[C.components][component] ?? null
  const column = COLUMNS[key]
  const value = column === undefined ? null : row.data[column]
  if (typeof value !== "number") return null
  return key === "age" ? -value : value // the oldest has the highest age
}

function compare(a: Listed, b: Listed, sort: Sort): number {
  const left = sortValue(a, sort.key)
  const right = sortValue(b, sort.key)
  if (left === right) return 0
  if (left === null) return 1
  if (right === null) return -1
  const rising = left < right ? -1 : 1
  return sort.descending ? -rising : rising
}

/** Sorted by the keys in turn, then by name, so that equal rows keep their places. */
export function sorted<R extends Listed>(rows: readonly R[], sorts: readonly Sort[]): R[] {
  return [...rows].sort((a, b) => {
    for (const sort of sorts) {
      const order = compare(a, b, sort)
      if (order !== 0) return order
    }
    return a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : 0
  })
}

/** A click on a header: descending, ascending, default; names rise first. Shift adds a second key. */
export function clicked(sorts: readonly Sort[], key: SortKey, add: boolean): readonly Sort[] {
  const first = key !== "symbol"
  const held = sorts.find((sort) => sort.key === key)
  const others = add ? sorts.filter((sort) => sort.key !== key).slice(0, 1) : []
  if (held === undefined || (!add && sorts.length > 1)) return [...others, { key, descending: first }]
  if (held.descending === first) return [...others, { key, descending: !first }]
  if (others.length > 0) return others
  return key === "score" ? [{ key, descending: first }] : DEFAULT_SORT
}

export const DIRECTION_CHIPS = ["Bullish", "Neutral", "Bearish"] as const
export type Chip = (typeof DIRECTION_CHIPS)[number] | "high" | "low" | "sure" | "traded" | "starred"

/** From which value a chip lets a row pass. */
export const CHIP_LIMITS = { high: 70, low: 30, sure: 40, traded: 50_000_000 } as const

export interface Filter {
  readonly text: string
  readonly chips: ReadonlySet<Chip>
}

/** Chips of one kind widen (directions, high and low scores), kinds narrow; every word of the text
 *  must be in the name. What is not known passes no chip that asks for it. */
export function passes(row: Listed, filter: Filter, stars: ReadonlySet<string>): boolean {
  const { chips } = filter
  if (chips.size > 0 && !passesChips(row, chips, stars)) return false
  const name = row.symbol.toUpperCase()
  return filter.text.toUpperCase().split(/\s+/).every((word) => name.includes(word))
}

function passesChips(row: Listed, chips: ReadonlySet<Chip>, stars: ReadonlySet<string>): boolean {
  if (chips.has("starred") && !stars.has(row.symbol)) return false
  const direction = row.data[C.direction]
  if (DIRECTION_CHIPS.some((each) => chips.has(each)) && (direction === null || !chips.has(direction))) return false
  if (chips.has("high") || chips.has("low")) {
    const score = row.data[C.score]
    const high = chips.has("high") && score !== null && score >= CHIP_LIMITS.high
    const low = chips.has("low") && score !== null && score <= CHIP_LIMITS.low
    if (!high && !low) return false
  }
  if (chips.has("sure") && (row.data[C.confidence] ?? -1) < CHIP_LIMITS.sure) return false
  return !chips.has("traded") || (row.data[C.volume_24h] ?? -1) >= CHIP_LIMITS.traded
}

/** Rows to draw of `count` when the view starts at pixel `top`: four more either side. */
export function visible(top: number, height: number, rowHeight: number, count: number): readonly [number, number] {
  const first = Math.max(0, Math.floor(top / rowHeight) - 4)
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + 4)
  return [Math.min(first, last), last]
}
