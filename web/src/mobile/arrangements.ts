// The orders a phone offers.

import { type Listed, type Sort, sorted } from "../feed/order"
import { ScoreRowColumn as C } from "../wire/types"

export type Arrangement = "strongest" | "highest" | "lowest" | "gainers" | "losers" | "volume"

export const ARRANGEMENTS: Readonly<Record<Arrangement, { title: string; sorts: readonly Sort[] }>> = {
  strongest: { title: "Strongest", sorts: [{ key: "score", descending: true }] },
  highest: { title: "Highest", sorts: [{ key: "score", descending: true }] },
  lowest: { title: "Lowest", sorts: [{ key: "score", descending: false }] },
  gainers: { title: "Gainers", sorts: [{ key: "change", descending: true }] },
  losers: { title: "Losers", sorts: [{ key: "change", descending: false }] },
  volume: { title: "Volume", sorts: [{ key: "turnover", descending: true }] },
}

/** The farthest from 50 first, either way; rows without a score last. */
export function strongest<R extends Listed>(rows: readonly R[]): R[] {
  const pressure = (row: R): number => {
    const score = row.data[C.score]
    return score === null ? -1 : Math.abs(score - 50)
  }
  return sorted(rows, [{ key: "symbol", descending: false }]).sort((a, b) => pressure(b) - pressure(a))
}
