// The last rows as this browser keeps them, so that the page opens without a network.

import type { Limits, RowSymbol, ScoreRow, Source } from "../wire/types"
import { SCHEMA, ScoreRowColumn as C } from "../wire/types"
import type { Shown } from "./shown"

/** Grows whenever what is kept changes its form; rows of another one are never shown. */
export const FORM = 1
/** Rows kept at most. */
export const MOST = 100
export const KEY = "last"

export interface Kept {
  readonly form: number
  readonly schema: number
  /** This browser's clock when it was written, milliseconds UTC. */
  readonly written: number
  /** The venue's clock then. */
  readonly now: number
  readonly newest: number | null
  readonly source: Source | null
  readonly simulated: boolean
  readonly limits: Limits
  readonly symbols: readonly RowSymbol[]
  readonly rows: readonly ScoreRow[]
}

/** What may be kept of this board now; null while nothing of it is vouched for. */
export function keep(board: Shown, wall: number): Kept | null {
  const { feed, limits } = board
  if (feed.dead || limits === null || board.rows.length === 0) return null
  const rows = [...board.rows].sort((a, b) => pressure(b.data) - pressure(a.data)).slice(0, MOST)
  return {
    form: FORM, schema: SCHEMA, written: wall, now: board.now, newest: feed.newest, source: board.source,
    simulated: board.simulated, limits,
    symbols: rows.map(({ symbol, venue, source, coverageFloor }, row) => (
      { row, symbol, venue, source, definition: "", coverage_floor: coverageFloor }
    )),
    rows: rows.map(({ data }) => data),
  }
}

function pressure(data: ScoreRow): number {
  const score = data[C.score]
  return score === null ? -1 : Math.abs(score - 50)
}

export type Unusable = "none" | "form" | "clock"

/** What was kept, if it is whole, of this form, and of a known age. */
export function readKept(text: string | null, wall: number): Kept | Unusable {
  if (text === null) return "none"
  let found: Partial<Kept> | null
  try {
    found = JSON.parse(text) as Partial<Kept> | null
  } catch {
    return "form"
  }
  if (!isWhole(found)) return "form"
  return found.written > wall ? "clock" : found
}

function isWhole(found: Partial<Kept> | null): found is Kept {
  return (
    found !== null && typeof found === "object" && found.form === FORM && found.schema === SCHEMA
    && typeof found.written === "number" && typeof found.now === "number"
    && typeof found.limits?.price_stale_ms === "number"
    && Array.isArray(found.rows) && Array.isArray(found.symbols) && found.rows.length > 0
    && found.rows.length === found.symbols.length
    && found.symbols.every((each) => typeof each?.symbol === "string")
    && found.rows.every((row) => Array.isArray(row) && row.length > C.oldest_input && Array.isArray(row[C.components]))
  )
}

/** The venue's clock now, as far as this browser's went on steadily since. */
export function nowOf(kept: Kept, wall: number): number {
  return kept.now + Math.max(0, wall - kept.written)
}
