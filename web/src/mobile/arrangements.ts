// The orders a phone offers: each by a value, the highest first.

import type { Listed } from "../feed/order"
import { type ScoreRow, ScoreRowColumn as C } from "../wire/types"

export type Arrangement = "strongest" | "highest" | "lowest" | "gainers" | "losers" | "volume"

const pressure = (score: number | null): number | null => (score === null ? null : Math.abs(score - 50))
const opposite = (value: number | null): number | null => (value === null ? null : -value)

interface Offered {
  readonly title: string
  readonly value: (data: ScoreRow) => number | null
}

export const ARRANGEMENTS: Readonly<Record<Arrangement, Offered>> = {
  strongest: { title: "Strongest", value: (data) => pressure(data[C.score]) },
  highest: { title: "Highest", value: (data) => data[C.score] },
  lowest: { title: "Lowest", value: (data) => opposite(data[C.score]) },
  gainers: { title: "Gainers", value: (data) => data[C.change_24h] },
  losers: { title: "Losers", value: (data) => opposite(data[C.change_24h]) },
  volume: { title: "Volume", value: (data) => data[C.volume_24h] },
}

/** Rows in this order; those without the value last, equal ones by name. */
export function arranged<R extends Listed>(rows: readonly R[], by: Arrangement): R[] {
  const value = ({ data }: R): number => ARRANGEMENTS[by].value(data) ?? Number.NEGATIVE_INFINITY
  return [...rows].sort((a, b) => {
    const [left, right] = [value(a), value(b)]
    return left === right ? (a.symbol < b.symbol ? -1 : 1) : left < right ? 1 : -1
  })
}
