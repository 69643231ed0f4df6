// The state of the alerts page as it stands in its address.

export const LEVELS = ["critical", "warning", "info"] as const
export const STATES = ["open", "acknowledged", "resolved", "all"] as const
export type StateChoice = (typeof STATES)[number]

export const PAGE = 50

/** Which alerts are listed. */
export interface AlertQuery {
  readonly levels: readonly string[]
  readonly symbol: string
  readonly rule: string
  readonly state: StateChoice
  /** The last alert of the page before; empty: from the newest on. */
  readonly before: string
}

export function alertQueryOf(query: ReadonlyMap<string, string>): AlertQuery {
  const named = new Set((query.get("level") ?? "").split(","))
  const state = query.get("state")
  return {
    levels: LEVELS.filter((level) => named.has(level)),
    symbol: (query.get("symbol") ?? "").trim().toUpperCase(),
    rule: query.get("rule") ?? "",
    state: STATES.find((each) => each === state) ?? "all",
    before: query.get("before") ?? "",
  }
}

/** What the server is asked; `open` is both states that are not the last. */
export function alertPath(asked: AlertQuery): string {
  const given: readonly (readonly [string, string])[] = [
    ["level", asked.levels.join(",")],
    ["symbol", asked.symbol],
    ["rule", asked.rule],
    ["state", asked.state === "all" ? "" : asked.state === "open" ? "active,acknowledged" : asked.state],
    ["before", asked.before],
    ["limit", String(PAGE)],
  ]
  return `/api/alerts?${given.filter(([, value]) => value !== "").map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`
}

export function toggledLevel(levels: readonly string[], level: string): string {
  return LEVELS.filter((each) => levels.includes(each) !== (each === level)).join(",")
}
