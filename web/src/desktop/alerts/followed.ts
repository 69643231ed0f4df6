// What followed an alert: the price at set times after it, out of closed candles, and now.

import type { FormingBar } from "../../wire/types"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** Candles are served a thousand at a time: the finest timeframe that reaches back to the alert. */
const FRAMES = [["1m", MINUTE], ["5m", 5 * MINUTE], ["30m", 30 * MINUTE], ["4h", 4 * HOUR]] as const
const SERVED = 990

export const HORIZONS = [["5 min", 5 * MINUTE], ["1 h", HOUR], ["4 h", 4 * HOUR]] as const

export interface Frame {
  readonly name: string
  readonly ms: number
}

/** Null: no candle that is served reaches back so far. */
export function frameFor(at: number, now: number): Frame | null {
  const found = FRAMES.find(([, ms]) => now - at <= SERVED * ms)
  return found === undefined ? null : { name: found[0], ms: found[1] }
}

export interface Followed {
  readonly label: string
  /** When it was, or will be. */
  readonly at: number
  readonly price: number | null
  /** Against the price when it fired. */
  readonly percent: number | null
  /** Why there is no price, in words; null when there is one. */
  readonly why: string | null
}

export interface Past {
  readonly at: number
  readonly price: number | null
  readonly now: number
  readonly frame: Frame | null
  /** Null: not read, `why` says so. */
  readonly candles: readonly FormingBar[] | null
  readonly why: string | null
}

/** The close that was known at an instant; null where no candle ends there. */
export function closeAt(candles: readonly FormingBar[], ms: number, instant: number): number | null {
  for (let place = candles.length - 1; place >= 0; place -= 1) {
    const candle = candles[place]
    if (candle === undefined || candle[0] + ms > instant) continue
    return instant - (candle[0] + ms) < ms ? candle[4] : null
  }
  return null
}

export function percentSince(before: number | null, after: number | null): number | null {
  return before === null || after === null || before === 0 ? null : 100 * (after / before - 1)
}

export function followedOf(past: Past): readonly Followed[] {
  return HORIZONS.map(([label, ms]) => {
    const at = past.at + ms
    const told = (price: number | null, why: string | null): Followed => ({ label, at, price, percent: percentSince(past.price, price), why })
    if (past.price === null) return told(null, "no price was known when it fired")
    if (at > past.now) return told(null, "not over yet")
    if (past.why !== null) return told(null, past.why)
    if (past.frame === null) return told(null, "too long ago for the candles that are served")
    if (past.candles === null) return told(null, "reading …")
    if (ms < past.frame.ms) return told(null, `only ${past.frame.name} candles reach so far back`)
    const price = closeAt(past.candles, past.frame.ms, at)
    if (price === null && at + past.frame.ms > past.now) return told(null, "its candle is not closed yet")
    return told(price, price === null ? "no candle is kept of then" : null)
  })
}
