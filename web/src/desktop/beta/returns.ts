// Points of the scatter: returns of a symbol against Bitcoin's at equal closes.

import { type CandlesDocument, FormingBarColumn as B } from "../../wire/types"

export interface Points {
  /** Percent, Bitcoin's. */
  readonly xs: readonly number[]
  /** Percent, the symbol's. */
  readonly ys: readonly number[]
  /** Opening times of the first and last candle. */
  readonly from: number | null
  readonly to: number | null
}

/** Log returns in percent of neighbouring candles that both have, of the last `window` candles. */
export function pointsOf(own: CandlesDocument, bitcoin: CandlesDocument, window: number): Points {
  const closes = new Map(bitcoin.candles.map((candle) => [candle[B.open_time], candle[B.close]]))
  const candles = own.candles.slice(-window)
  const [xs, ys]: [number[], number[]] = [[], []]
  const step = Math.min(...candles.slice(1).map((candle, index) => candle[B.open_time] - (candles[index]?.[B.open_time] ?? 0)))
  candles.forEach((candle, index) => {
    const before = candles[index - 1]
    if (before === undefined || candle[B.open_time] - before[B.open_time] !== step) return
    const [now, then] = [closes.get(candle[B.open_time]), closes.get(before[B.open_time])]
    if (now === undefined || then === undefined) return
    xs.push(100 * Math.log(now / then))
    ys.push(100 * Math.log(candle[B.close] / before[B.close]))
  })
  return { xs, ys, from: candles[0]?.[B.open_time] ?? null, to: candles.at(-1)?.[B.open_time] ?? null }
}

/** Half of an axis that holds all but the farthest half percent of the points. */
export function reach(values: readonly number[]): number {
  const sizes = values.map(Math.abs).sort((a, b) => a - b)
  return Math.max(0.01, (sizes[Math.floor(sizes.length * 0.995)] ?? 0.01) * 1.1)
}
