// Candles and scores on one time axis.

import type { FormingBar, ScorePoint } from "../wire/types"
import { FormingBarColumn as B } from "../wire/types"

export const TIMEFRAMES = ["1m", "5m", "30m", "4h"] as const
export type Timeframe = (typeof TIMEFRAMES)[number]

export const TIMEFRAME_MS: Readonly<Record<Timeframe, number>> = {
  "1m": 60_000, "5m": 300_000, "30m": 1_800_000, "4h": 14_400_000,
}

export interface ScoreAt {
  readonly time: number
  readonly value: number | null
}

/** The last score within each candle's time, null where there was none; times in milliseconds. */
export function scoresByCandle(
  opens: readonly number[],
  span: number,
  points: readonly ScorePoint[],
): readonly ScoreAt[] {
  const result: ScoreAt[] = []
  let next = 0
  for (const open of opens) {
    let value: number | null = null
    for (let point = points[next]; point !== undefined && point[0] < open + span; point = points[next]) {
      if (point[0] >= open && point[1] !== null) value = point[1]
      next += 1
    }
    result.push({ time: open, value })
  }
  return result
}

/** Closed candles with the open one after them, unless it has closed meanwhile. */
export function withForming(
  closed: readonly FormingBar[],
  forming: FormingBar | undefined,
): readonly FormingBar[] {
  const last = closed.at(-1)
  if (forming === undefined || (last !== undefined && forming[B.open_time] <= last[B.open_time])) return closed
  return [...closed, forming]
}

/** The timeframe an address names; 5m without one. */
export function timeframeOf(text: string | undefined): Timeframe {
  return TIMEFRAMES.find((each) => each === text) ?? "5m"
}
