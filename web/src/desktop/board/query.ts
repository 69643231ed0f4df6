// The board's state as it stands in the address: sort, filter and the symbol in the panel.

import { type Chip, type Filter, type Sort, type SortKey, DEFAULT_SORT, DIRECTION_CHIPS } from "../../feed/order"

const CHIPS: readonly Chip[] = [...DIRECTION_CHIPS, "high", "low", "sure", "traded", "starred"]

const SORT_KEYS: ReadonlySet<string> = new Set<SortKey>([
  "symbol", "score", "live", "delta", "direction", "confidence", "orderbook", "orderflow", "technical", "volume",
  "sentiment", "price_structure", "price", "age", "change", "turnover", "funding", "oi",
])

/** `-score,symbol`: a minus is descending. What is unknown is left out; nothing is the default. */
export function sortsOf(text: string | undefined): readonly Sort[] {
  const sorts = (text ?? "").split(",").flatMap((each): Sort[] => {
    const key = each.replace(/^-/, "")
    return SORT_KEYS.has(key) ? [{ key: key as SortKey, descending: each.startsWith("-") }] : []
  })
  return sorts.length === 0 ? DEFAULT_SORT : sorts.slice(0, 2)
}

export function sortText(sorts: readonly Sort[]): string {
  const text = sorts.map(({ key, descending }) => (descending ? "-" : "") + key).join(",")
  return text === "-score" ? "" : text
}

export function filterOf(query: ReadonlyMap<string, string>): Filter {
  const named = new Set((query.get("f") ?? "").split(","))
  return { text: query.get("q") ?? "", chips: new Set(CHIPS.filter((chip) => named.has(chip))) }
}

export function chipsText(chips: ReadonlySet<Chip>): string {
  return CHIPS.filter((chip) => chips.has(chip)).join(",")
}
