// Why the regime is what it is: its rules in the order they are tried, and the figures of now.

import { DASH, number } from "../../ui/format"
import type { MarketOverview, RecordedOverview } from "../../wire/types"

export const REGIME_WORDS: Readonly<Record<string, string>> = {
  volatile: "Volatile", trending_up: "Trending up", trending_down: "Trending down", quiet: "Quiet", ranging: "Ranging",
}

export interface Condition {
  readonly text: string
  /** The figure of now. */
  readonly now: string
  /** Null where the figure is not known. */
  readonly holds: boolean | null
}

export interface Rule {
  readonly regime: string
  readonly conditions: readonly Condition[]
}

type Figures = Pick<MarketOverview, "trend_strength" | "breadth" | "volatility_percentile">

function condition(text: string, value: number | null, now: string, holds: (value: number) => boolean): Condition {
  return value === null ? { text, now: DASH, holds: null } : { text, now, holds: holds(value) }
}

/** The first that holds at two half-hour closes in a row is the regime. */
export function rulesOf({ trend_strength, breadth, volatility_percentile }: Figures): readonly Rule[] {
  const percentile = number(volatility_percentile, 0)
  const strength = number(trend_strength, 0)
  const up = `${number(breadth === null ? null : breadth * 100, 0)} %`
  const strong = condition("trend strength ≥ 25", trend_strength, strength, (value) => value >= 25)
  return [
    { regime: "volatile", conditions: [condition("volatility percentile ≥ 90", volatility_percentile, percentile, (value) => value >= 90)] },
    { regime: "trending_up", conditions: [strong, condition("index rising, share up ≥ 60 %", breadth, up, (value) => value >= 0.6)] },
    { regime: "trending_down", conditions: [strong, condition("index falling, share up ≤ 40 %", breadth, up, (value) => value <= 0.4)] },
    { regime: "quiet", conditions: [condition("volatility percentile ≤ 10", volatility_percentile, percentile, (value) => value <= 10)] },
    { regime: "ranging", conditions: [{ text: "none of these", now: "", holds: null }] },
  ]
}

/** Points farther apart have a hole between them: of what was said meanwhile nothing is known. */
export function apartOf(step_ms: number): number {
  return 3 * Math.max(step_ms, 30_000)
}

/** Since when the regime has stood in the record, without a hole; `exact` is false where it may have stood before. */
export function since(
  points: readonly RecordedOverview[], regime: string | null, apartMs: number,
): { readonly at: number; readonly exact: boolean } | null {
  let found: number | null = null
  let exact = false
  for (const point of [...points].reverse()) {
    if (found !== null && found - point.at > apartMs) break
    if (point.market_regime !== regime) {
      exact = true
      break
    }
    found = point.at
  }
  return regime === null || found === null ? null : { at: found, exact }
}
