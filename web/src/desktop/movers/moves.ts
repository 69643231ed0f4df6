// The lists of the movers page: windows, floors, and the score movers of a day.

import type { MarketOverview, Mover, MoversAnswer, Reason, ScoreMove } from "../../wire/types"

/** As the API names them, and as the page does. */
export const WINDOWS = [
  ["5m", "5 min"], ["15m", "15 min"], ["1h", "1 h"], ["4h", "4 h"], ["24h", "24 h"], ["observed", "Since start"],
] as const
export type Window = (typeof WINDOWS)[number][0]

export const WINDOW_WORDS: Readonly<Record<Window, string>> = {
  "5m": "over 5 minutes", "15m": "over 15 minutes", "1h": "over 1 hour", "4h": "over 4 hours", "24h": "over 24 hours",
  observed: "since each symbol’s first kept score",
}

export function windowOf(text: string | undefined): Window {
  return WINDOWS.find(([name]) => name === text)?.[0] ?? "1h"
}

/** Turnover of 24 hours under which a symbol is left out, quote currency. */
export const FLOORS = [0, 1e6, 5e6, 1e7, 5e7, 1e8, 5e8, 1e9] as const

/** What an address says, however it was written; what is none is no floor. */
export function floorOf(text: string | undefined): number {
  const value = Number(text ?? "")
  return Number.isFinite(value) && value > 0 ? Math.min(value, 1e15) : 0
}

export const SIZES = [["10", "10"], ["25", "25"], ["50", "50"]] as const
export type Size = (typeof SIZES)[number][0]

export function sizeOf(text: string | undefined): Size {
  return SIZES.find(([name]) => name === text)?.[0] ?? "10"
}

export function moversPath(window: Window, floor: number, size: Size): string {
  return `/api/market/movers?window=${window}&min_volume=${floor}&limit=${size}`
}

/** One list, or why there is none. */
export interface List {
  readonly rows: readonly Mover[]
  /** Symbols that have a change over the window. */
  readonly compared: number
  readonly reason: Reason | null
  /** Score at the other end of the window, where it is told. */
  readonly before?: ReadonlyMap<string, number>
}

export type ListName = "gainers" | "losers" | "risers" | "fallers"

type Board = (symbol: string) => Pick<Mover, "price" | "volume" | "direction"> | undefined

/** The four lists. Scores over 24 hours are compared for the overview alone, five each way and without
 *  a floor: the floor is laid on them here. */
export function listsOf(answer: MoversAnswer, overview: MarketOverview | null, board: Board): Readonly<Record<ListName, List>> {
  const prices = { compared: answer.compared, reason: answer.price_reason }
  const scores = { compared: answer.scores_compared, reason: answer.score_reason }
  const found = {
    gainers: { ...prices, rows: answer.gainers }, losers: { ...prices, rows: answer.losers },
    risers: { ...scores, rows: answer.score_risers }, fallers: { ...scores, rows: answer.score_fallers },
  }
  if (answer.window !== "24h") return found
  const day = overview?.score_movers_24h ?? null
  const reason = day === null ? (overview?.quality["score_movers_24h"]?.reason ?? "no_feed") : null
  const listed = (moves: readonly ScoreMove[]): List => {
    const rows = moves.flatMap(({ symbol, change, score, state }): Mover[] => {
      const known = board(symbol)
      const volume = known?.volume ?? null
      if (answer.min_volume > 0 && (volume === null || volume < answer.min_volume)) return []
      return [{ symbol, change, score, state, volume, price: known?.price ?? null, direction: known?.direction ?? null }]
    })
    return { rows, compared: day?.compared ?? 0, reason, before: new Map(moves.map((move) => [move.symbol, move.before])) }
  }
  return { ...found, risers: listed(day?.risers ?? []), fallers: listed(day?.fallers ?? []) }
}
