// The orders a phone offers: each by a value, the highest first.

import type { Listed } from "../feed/order"
import { type ScoreRow, ScoreRowColumn as C } from "../wire/types"

export type Arrangement = "strongest" | "highest" | "lowest" | "gainers" | "losers" | "volume"

const pressure = (score: number | null): number | null => (score === null ? null : Math.abs(score - 50))
const opposite = (value: number | null): number | null => (value === null ? null : -value)

const VALUES: Readonly<Record<Arrangement, (data: ScoreRow) => number | null>> = {
  strongest: (data) => pressure(data[C.score]),
  highest: (data) => data[C.score],
  lowest: (data) => opposite(data[C.score]),
  gainers: (data) => data[C.change_24h],
  losers: (data) => opposite(data[C.change_24h]),
  volume: (data) => data[C.volume_24h],
}

/** The order an address names; the strongest pressure first without one. */
export function arrangementOf(text: string | undefined): Arrangement {
  return text !== undefined && Object.hasOwn(VALUES, text) ? (text as Arrangement) : "strongest"
}

/** Rows in this order; those without the value last, equal ones by name. */
export function arranged<R extends Listed>(rows: readonly R[], by: Arrangement): R[] {
  const value = ({ data }: R): number => VALUES[by](data) ?? Number.NEGATIVE_INFINITY
  return [...rows].sort((a, b) => {
    const [left, right] = [value(a), value(b)]
    return left === right ? (a.symbol < b.symbol ? -1 : 1) : left < right ? 1 : -1
  })
}
