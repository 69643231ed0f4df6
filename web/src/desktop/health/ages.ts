// How old every input of every symbol is: a row a symbol, the worst first.

import type { Column, Order } from "../../ui/sorting"
import type { InputsDocument, State, SymbolInputs } from "../../wire/types"

export const WORST: Order = { key: "worst", descending: true }
const RANKS: Readonly<Record<State, number>> = { live: 0, delayed: 1, stale: 2, absent: 3 }

export interface AgesRow extends SymbolInputs {
  readonly worst: State
  /** Place in `kinds` of what makes it so; null where all is live. */
  readonly place: number | null
}

const SHORT: Readonly<Record<string, string>> = {
  "open interest": "OI", "account ratio": "Ratio", stream: "Stream", book: "Book", trades: "Trades", ticker: "Ticker", funding: "Funding",
}

export function columnsOf(kinds: readonly string[]): readonly Column[] {
  return [
    { key: "symbol", title: "Symbol", tip: "Enter or a click opens its page", width: "minmax(132px, 1fr)", left: true },
    { key: "worst", title: "Worst", tip: "The worst state of its inputs, and of which", width: "minmax(136px, 1.1fr)", left: true },
    ...kinds.map((kind): Column => ({ key: kind, title: SHORT[kind] ?? kind.replace("candles ", ""), tip: `Age of its ${kind}, when the engine looked`, width: "minmax(70px, 1fr)" })),
  ]
}

/** What does not apply to a symbol is no fault of it. */
export function rowsOf(document: InputsDocument): readonly AgesRow[] {
  return document.symbols.map((symbol) => {
    let [worst, place]: [State, number | null] = ["live", null]
    symbol.states.forEach((state, index) => {
      if (symbol.reasons[index] === "not_applicable" || RANKS[state] <= RANKS[worst]) return
      worst = state
      place = index
    })
    return { ...symbol, worst, place }
  })
}

/** Ages in milliseconds; by `worst` the states come first, then how old the worst one is. */
export function valueOf(document: InputsDocument): (row: AgesRow, key: string) => number | string | null {
  const ageAt = (row: AgesRow, index: number): number | null => {
    const at = row.as_of[index] ?? null
    return at === null ? null : Math.max(0, document.now - at)
  }
  return (row, key) => {
    if (key === "symbol") return row.symbol
    if (key === "worst") return RANKS[row.worst] * 1e13 + (row.place === null ? 0 : (ageAt(row, row.place) ?? 1e12))
    return ageAt(row, document.kinds.indexOf(key))
  }
}

/** How many inputs are in each state. */
export function countsOf(document: InputsDocument): Readonly<Record<State, number>> {
  const counts = { live: 0, delayed: 0, stale: 0, absent: 0 }
  for (const symbol of document.symbols) symbol.states.forEach((state, index) => {
    if (symbol.reasons[index] !== "not_applicable") counts[state] += 1
  })
  return counts
}
