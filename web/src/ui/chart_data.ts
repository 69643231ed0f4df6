// Candles and scores on one time axis.

import type { FormingBar, ScorePoint, TimedValue, TrackPoint } from "../wire/types"
import { FormingBarColumn as B, TrackPointColumn as T } from "../wire/types"

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

const MINUTE = 60_000

/** Cumulative taker flow at the end of each candle, base currency. It begins at 0 with the first
 *  minute that is known, and anew after a hole; null where the candle's last known minute is none. */
export function flowByCandle(opens: readonly number[], span: number, minutes: readonly TrackPoint[]): readonly ScoreAt[] {
  const result: ScoreAt[] = []
  let next = 0
  let sum: number | null = null
  for (const open of opens) {
    let seen = false
    for (let minute = minutes[next]; minute !== undefined; minute = minutes[next]) {
      const start = Math.round(minute[T.at] / MINUTE) * MINUTE - MINUTE
      if (start >= open + span) break
      next += 1
      if (start < open) continue
      const flow = minute[T.flow]
      sum = flow === null ? null : (sum ?? 0) + flow
      seen = true
    }
    result.push({ time: open, value: seen ? sum : null })
  }
  return result
}

/** The last value known within each candle, null where none was; both lists oldest first. */
export function lastByCandle(opens: readonly number[], span: number, values: readonly TimedValue[]): readonly ScoreAt[] {
  return scoresByCandle(opens, span, values)
}

/** Open interest from both of its sources, oldest first: full hours, then minutes. */
export function interestOf(hours: readonly TimedValue[], minutes: readonly TrackPoint[]): readonly TimedValue[] {
  const known = minutes.flatMap((minute): TimedValue[] => {
    const value = minute[T.open_interest]
    return value === null ? [] : [[minute[T.at], value]]
  })
  const first = known[0]?.[0] ?? Number.POSITIVE_INFINITY
  return [...hours.filter(([at]) => at < first), ...known]
}

/** A price range and the volume traded in it. */
export interface ProfileBin {
  readonly low: number
  readonly high: number
  readonly volume: number
}

/** Volume by price: each candle's volume spread evenly over its range. Empty without volume. */
export function volumeProfile(candles: readonly FormingBar[], count: number): readonly ProfileBin[] {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const candle of candles) {
    low = Math.min(low, candle[B.low])
    high = Math.max(high, candle[B.high])
  }
  const size = (high - low) / count
  if (!(size > 0)) return []
  const volumes = new Array<number>(count).fill(0)
  for (const candle of candles) {
    const [bottom, top, volume] = [candle[B.low], candle[B.high], candle[B.volume]]
    const first = Math.min(count - 1, Math.floor((bottom - low) / size))
    const last = Math.min(count - 1, Math.floor((top - low) / size))
    for (let bin = first; bin <= last; bin += 1) {
      const from = Math.max(bottom, low + bin * size)
      const to = Math.min(top, low + (bin + 1) * size)
      const share = top > bottom ? Math.max(0, to - from) / (top - bottom) : 1 / (last - first + 1)
      volumes[bin] = (volumes[bin] ?? 0) + volume * share
    }
  }
  return volumes.map((volume, bin) => ({ low: low + bin * size, high: low + (bin + 1) * size, volume }))
}
