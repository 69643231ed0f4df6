// The columns of the table of betas, and what each sorts by.

import type { Column, Order } from "../../ui/sorting"
import type { BetaRecord } from "../../wire/types"

export const COLUMNS: readonly Column[] = [
  { key: "symbol", title: "Symbol", tip: "A click shows its scatter, Enter opens its page", width: "minmax(118px, 1fr)", left: true },
  { key: "beta", title: "Beta", tip: "Times Bitcoin’s move, shrunk towards the other symbols’ mean", width: "66px" },
  { key: "interval", title: "95 % interval", tip: "Own estimate ± 1.96 standard errors; the tick is 1", width: "minmax(150px, 1.4fr)", still: true },
  { key: "standard_error", title: "SE", tip: "Standard error of the own estimate", width: "60px" },
  { key: "correlation", title: "Corr.", tip: "With Bitcoin’s returns, −1 to 1", width: "62px" },
  { key: "r_squared", title: "R²", tip: "Share of its movement that is Bitcoin’s, 0 to 1", width: "56px" },
  { key: "residual_z", title: "Residual", unit: "z", tip: "The last hour’s own movement in standard deviations", width: "82px" },
  { key: "lead_lag", title: "Lead or lag", tip: "Named only where it stands out: |corr.| > 3 / √n eff.", width: "minmax(126px, 1fr)", left: true, still: true },
  { key: "samples", title: "n", tip: "Common returns in the window", width: "58px" },
  { key: "effective_samples", title: "n eff.", tip: "1 / sum of squared weights: what half-life leaves of n", width: "62px" },
]

export const FALLBACK: Order = { key: "beta", descending: true }

export function valueOf(row: BetaRecord, key: string): number | string | null {
  switch (key) {
    case "symbol":
      return row.symbol
    case "beta":
    case "standard_error":
    case "correlation":
    case "r_squared":
    case "residual_z":
    case "effective_samples":
      return row[key]
    case "samples":
      return row.reason === "not_applicable" ? null : row.samples
    default:
      return null
  }
}

/** The interval of the own estimate; null without one. */
export function intervalOf({ raw_beta, standard_error }: Pick<BetaRecord, "raw_beta" | "standard_error">): readonly [number, number] | null {
  return raw_beta === null || standard_error === null ? null : [raw_beta - 1.96 * standard_error, raw_beta + 1.96 * standard_error]
}

/** `Bitcoin 20 min ahead`, or nothing. */
export function leadText(row: Pick<BetaRecord, "lead_lag">, barMinutes: number): string {
  const found = row.lead_lag
  if (found === null) return ""
  const minutes = Math.abs(found.bars) * barMinutes
  return found.bars > 0 ? `Bitcoin ${minutes} min ahead` : `${minutes} min before Bitcoin`
}
